#pragma once

#include <system_error>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/experimental/concurrent_channel.hpp>

namespace evercert {

/// Tells that the manager's state changed and is worth saving again. Holds at most one notification: changes
/// that come faster than they are received coalesce, and nobody ever waits for a receiver. One
/// notification is waiting from the start. A notification goes to one receiver. `manager::watch()` itself queues none, unlike
/// `Watch()` of Go's rsc.io/letsencrypt, so `co_await manager.watch().receive()` in a loop is no busy one.
///
/// Thread-safe.
class watch_channel {
public:
    explicit watch_channel(asio::any_io_executor);

    /// Wait for the next notification. Throws `error` with `errc::stopped` once the manager has stopped.
    asio::awaitable<void> receive();

    /// The same with a completion token, of signature `void(std::error_code, int)`; the int says nothing.
    template <typename CompletionToken>
    auto async_receive(CompletionToken&& token) {
        return channel_.async_receive(std::forward<CompletionToken>(token));
    }

    /// Take a notification if there is one.
    bool try_receive();

    /// The manager's side.
    void notify();
    void close();

private:
    asio::experimental::concurrent_channel<void(std::error_code, int)> channel_;
};

}  // namespace evercert
