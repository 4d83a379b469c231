#pragma once

#include <memory>

#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

#include "base/task_group.hpp"
#include "http/server_connection.hpp"

namespace test {

/// Serve one connection until it ends; cancellation ends it.
inline asio::awaitable<void> serve_http(std::unique_ptr<evercert::stream> on, const evercert::handler& answer) {
    using namespace evercert;
    const auto executor = on->get_executor();
    const auto service = std::make_shared<const http_service>(executor, server_options{}, system_clock(), logger{});
    task_group running{executor};
    task_group watching{executor};
    watching.spawn(service->watch->run());
    http_server_connection::start(
        std::make_shared<http_server_connection>(
            std::move(on), http_peer{}, std::make_shared<const handler>(answer), service),
        running);
    try {
        co_await running.wait_empty();
    } catch (const std::system_error&) {
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    running.cancel();
    co_await running.join();
    watching.cancel();
    co_await watching.join();
}

}  // namespace test
