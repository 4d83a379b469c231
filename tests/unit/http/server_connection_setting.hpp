#pragma once

#include <evercert/error.hpp>

#include "base/event.hpp"
#include "base/memory_stream.hpp"
#include "catch.hpp"
#include "fake_clock.hpp"
#include "http/server_connection.hpp"
#include "run.hpp"
#include "wire.hpp"

namespace server_connection_test {

using namespace evercert;
using namespace std::chrono_literals;

inline const std::string get = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n";

inline asio::awaitable<response> echo(request message) {
    std::string text = message.method + " " + message.target + " " + message.body;
    co_return response{std::move(text)};
}

struct log_lines {
    std::vector<std::string> lines = {};
    logger make() {
        log_options options;
        options.level = log_level::error;
        options.sink = [this](log_level, std::string_view line) { lines.emplace_back(line); };
        return logger{options};
    }
};

/// A connection that serves, and its other end.
struct setting {
    explicit setting(asio::io_context& io, handler answer = echo, server_options options = {}, logger log = {})
        : time{std::make_shared<test::fake_clock>(io.get_executor())} {
        auto pair = memory_stream_pair(io.get_executor());
        client = std::move(pair.first);
        connection = std::make_unique<http_server_connection>(
            std::move(pair.second), "sni.test", std::move(answer), options, time, std::move(log));
        running.emplace(io.get_executor(), connection->run());
    }

    std::shared_ptr<test::fake_clock> time;
    std::unique_ptr<stream> client;
    std::unique_ptr<http_server_connection> connection;
    std::optional<test::started<void>> running;

    asio::awaitable<void> send(std::string bytes) { co_await write_all(*client, bytes); }
    /// Let time pass in steps, as it does, and everybody act on it.
    asio::awaitable<void> pass(duration length) {
        for (; length > 0s; length -= 1s) {
            co_await test::yield(20);
            time->advance(std::min<duration>(length, 1s));
        }
        co_await test::yield(20);
    }
};

}  // namespace server_connection_test
