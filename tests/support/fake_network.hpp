#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <asio/error.hpp>
#include <asio/this_coro.hpp>

#include <evercert/error.hpp>
#include <evercert/network.hpp>

#include "base/event.hpp"
#include "base/memory_stream.hpp"

namespace test {

/// A network of memory streams: the test is the server. Names resolve to what the test says.
class fake_network final : public evercert::network {
public:
    using stream_ptr = std::unique_ptr<evercert::stream>;

    explicit fake_network(asio::any_io_executor executor) : changed_{std::move(executor)} {}

    std::vector<asio::ip::address> addresses = {asio::ip::make_address("192.0.2.1")};
    std::set<asio::ip::address> refusing;     ///< addresses that refuse connections
    std::set<asio::ip::address> unreachable;  ///< addresses that never answer
    bool resolver_hangs = false;
    std::vector<evercert::endpoint> connected;  ///< every attempt, in order
    std::vector<std::string> resolved;

    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string host) override {
        resolved.push_back(std::move(host));
        while (resolver_hangs)
            co_await changed_.wait();
        co_return addresses;
    }

    asio::awaitable<stream_ptr> connect(evercert::endpoint at) override {
        connected.push_back(at);
        if (refusing.contains(at.address))
            throw evercert::error{evercert::errc::connect_failed, evercert::to_string(at) + " refused"};
        while (unreachable.contains(at.address))
            co_await changed_.wait();
        const auto executor = co_await asio::this_coro::executor;
        evercert::memory_stream_options options;
        options.second.address = at.address;
        options.second.port = at.port;
        auto pair = evercert::memory_stream_pair(executor, executor, options);
        accepted_.push_back(std::move(pair.second));
        changed_.notify_all();
        co_return std::move(pair.first);
    }

    std::unique_ptr<evercert::listener> listen(asio::any_io_executor, evercert::endpoint) override {
        throw evercert::error{evercert::errc::listen_failed, "this network listens nowhere"};
    }

    /// The server's end of the next connection.
    asio::awaitable<stream_ptr> accept() {
        while (accepted_.empty())
            co_await changed_.wait();
        auto next = std::move(accepted_.front());
        accepted_.pop_front();
        co_return next;
    }

private:
    std::deque<stream_ptr> accepted_;
    evercert::event changed_;
};

}  // namespace test
