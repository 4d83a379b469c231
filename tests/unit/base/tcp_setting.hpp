#pragma once

#include <memory>

#include <asio/this_coro.hpp>

#include <evercert/network.hpp>

namespace test {

inline evercert::endpoint at_address(const char* address, std::uint16_t port = 0) {
    evercert::endpoint at;
    at.address = asio::ip::make_address(address);
    at.port = port;
    return at;
}

inline evercert::endpoint loopback(std::uint16_t port = 0) { return at_address("127.0.0.1", port); }

struct connection {
    std::unique_ptr<evercert::stream> client;
    std::unique_ptr<evercert::stream> server;
};

inline asio::awaitable<connection> connect_pair() {
    auto executor = co_await asio::this_coro::executor;
    auto net = evercert::system_network();
    auto listening = net->listen(executor, loopback());
    connection made;
    made.client = co_await net->connect(listening->local_endpoint());
    made.server = co_await listening->accept(executor);
    co_return made;
}

}  // namespace test
