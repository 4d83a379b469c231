#pragma once

#include <memory>
#include <utility>

#include <evercert/network.hpp>

namespace test {

/// The system's network, in which every name is 127.0.0.1.
class loopback_network final : public evercert::network {
public:
    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string) override {
        co_return std::vector<asio::ip::address>(1, asio::ip::address_v4::loopback());
    }
    asio::awaitable<std::unique_ptr<evercert::stream>> connect(evercert::endpoint to) override {
        return next_->connect(std::move(to));
    }
    std::unique_ptr<evercert::listener> listen(asio::any_io_executor executor, evercert::endpoint at) override {
        return next_->listen(std::move(executor), std::move(at));
    }

private:
    std::shared_ptr<evercert::network> next_ = evercert::system_network();
};

}  // namespace test
