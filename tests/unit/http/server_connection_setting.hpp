#pragma once

#include <evercert/error.hpp>

#include "base/event.hpp"
#include "base/memory_stream.hpp"
#include "base/spawn.hpp"
#include "base/task_group.hpp"
#include "catch.hpp"
#include "counted_stream.hpp"
#include "fake_clock.hpp"
#include "http/server_connection.hpp"
#include "run.hpp"
#include "wire.hpp"

namespace server_connection_test {

using namespace evercert;
using namespace std::chrono_literals;

inline const std::string get = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n";

inline asio::awaitable<response> echo(request message) {
    const auto body = co_await message.body.text();
    std::string text = message.method + " " + message.target + " " + body;
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

/// As `test::started`, with the signal by which the connection interrupts itself.
class running_connection {
public:
    running_connection(
        asio::any_io_executor executor, std::shared_ptr<remote_cancellation> own, asio::awaitable<void> work)
        : own_{std::move(own)}, group_{executor}, outcome_{std::make_shared<test::result<void>>()} {
        auto watched = test::run_into(outcome_, std::move(work));
        group_.spawn(own_, std::move(watched));
    }
    ~running_connection() { cancel(); }
    bool ended() const { return outcome_->ended(); }
    void take() { outcome_->take(); }
    void cancel() { remote_cancellation::emit(own_); }
    asio::awaitable<void> join() { return group_.wait_empty(); }

private:
    std::shared_ptr<remote_cancellation> own_;
    task_group group_;
    std::shared_ptr<test::result<void>> outcome_;
};

/// A connection that serves, and its other end.
struct setting {
    explicit setting(asio::io_context& io, handler answer = echo, server_options options = {}, logger log = {})
        : time{std::make_shared<test::fake_clock>(io.get_executor())},
          service{std::make_shared<const http_service>(io.get_executor(), options, time, std::move(log))},
          watching{io.get_executor()} {
        auto pair = memory_stream_pair(io.get_executor());
        client = std::move(pair.first);
        http_peer peer;
        peer.server_name = "sni.test";
        connection = std::make_shared<http_server_connection>(
            std::make_unique<test::counted_stream>(std::move(pair.second), reads), std::move(peer),
            std::make_shared<const handler>(std::move(answer)), service);
        watching.spawn(service->watch->run());
        own = std::make_shared<remote_cancellation>(io.get_executor());
        running.emplace(io.get_executor(), own, http_server_connection::run(connection, own));
    }
    ~setting() { watching.cancel(); }

    std::shared_ptr<test::fake_clock> time;
    std::shared_ptr<const http_service> service;
    task_group watching;
    std::unique_ptr<stream> client;
    std::shared_ptr<test::counted_stream::counts> reads = std::make_shared<test::counted_stream::counts>();
    std::shared_ptr<http_server_connection> connection;
    std::shared_ptr<remote_cancellation> own;
    std::optional<running_connection> running;

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
