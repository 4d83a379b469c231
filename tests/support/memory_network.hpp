#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/network.hpp>

namespace test {

/// A machine's loopback in memory: every name is 127.0.0.1, and who connects reaches who listens on the port, whatever the
/// address. One thread.
class memory_network final : public evercert::network, public std::enable_shared_from_this<memory_network> {
public:
    memory_network();
    ~memory_network() override;

    /// Ports that are cut off: nobody gets through.
    std::set<std::uint16_t> unreachable;
    int connections = 0;
    int refused = 0;
    /// Of a new connection, in each direction.
    std::size_t capacity = 64 << 10;

    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string) override;
    asio::awaitable<std::unique_ptr<evercert::stream>> connect(evercert::endpoint to) override;
    std::unique_ptr<evercert::listener> listen(asio::any_io_executor executor, evercert::endpoint at) override;

private:
    struct knock;
    struct place;
    class door;

    std::map<std::uint16_t, std::shared_ptr<place>> ports_;
    std::uint16_t next_port_ = 20'000;
};

}  // namespace test
