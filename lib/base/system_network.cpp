#include <evercert/network.hpp>

#include "base/tcp_listener.hpp"
#include "base/tcp_stream.hpp"

namespace evercert {
namespace {

class system_network_type final : public network {
public:
    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string host) override {
        std::vector<asio::ip::address> found;
        found.push_back(asio::ip::make_address(host));
        co_return found;
    }
    asio::awaitable<std::unique_ptr<stream>> connect(endpoint to) override { return tcp_connect(std::move(to)); }
    std::unique_ptr<listener> listen(asio::any_io_executor executor, endpoint at) override {
        return tcp_listen(executor, at);
    }
};

}  // namespace

std::shared_ptr<network> system_network() {
    static const auto instance = std::make_shared<system_network_type>();
    return instance;
}

}  // namespace evercert
