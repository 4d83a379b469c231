#pragma once

#include <chrono>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

namespace evercert {

/// Something that coroutines on one strand wait for. A timer that never expires: its waiters belong to the
/// io_context, which destroys them with itself, so a waiter that keeps its owner alive is no leak.
///
/// Thread-bound. A wait ends normally when notified; check the condition again, as with a condition variable.
class event {
public:
    explicit event(asio::any_io_executor executor)
        : timer_{std::move(executor), asio::steady_timer::time_point::max()} {}

    /// Throws `operation_aborted` if the waiting coroutine was cancelled.
    asio::awaitable<void> wait();
    /// The same with a handler, `void(std::error_code)`, whatever is in the code: it is told of a notification and of a
    /// cancellation alike.
    template <typename Handler>
    void async_wait(Handler&& handler) {
        timer_.async_wait(std::forward<Handler>(handler));
    }
    void notify_all() { timer_.cancel(); }
    /// Wakes the one that has waited longest.
    void notify_one() { timer_.cancel_one(); }

private:
    asio::steady_timer timer_;
};

}  // namespace evercert
