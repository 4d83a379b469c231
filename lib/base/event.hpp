#pragma once

#include <list>
#include <system_error>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/experimental/basic_channel.hpp>

namespace evercert {

/// Something that coroutines on one strand wait for. A channel that nothing is ever sent through while nobody waits: its
/// waiters belong to the io_context, which destroys them with itself, so a waiter that keeps its owner alive is no leak. A
/// timer that never expires would do so too, but makes the io_context look at its descriptors again and again.
///
/// Thread-bound. A wait ends normally when notified; check the condition again, as with a condition variable.
class event {
public:
    explicit event(asio::any_io_executor executor) : waiters_{std::move(executor)} {}

    /// Throws `operation_aborted` if the waiting coroutine was cancelled.
    asio::awaitable<void> wait();
    /// The same with a handler, `void(std::error_code)`, whatever is in the code: it is told of a notification and of a
    /// cancellation alike.
    template <typename Handler>
    void async_wait(Handler&& handler) {
        waiters_.async_receive(std::forward<Handler>(handler));
    }
    void notify_all() { waiters_.cancel(); }
    /// Wakes the one that has waited longest.
    void notify_one() { waiters_.try_send(std::error_code{}); }

private:
    /// What is sent says nothing, and nothing is ever kept: a list, unlike a deque, has no memory until it has an element.
    struct signals {
        template <typename...>
        struct rebind {
            using other = signals;
        };
        template <typename Element>
        struct container {
            using type = std::list<Element>;
        };
        using receive_cancelled_signature = void(std::error_code);
        using receive_closed_signature = void(std::error_code);
        template <typename Handler>
        static void invoke_receive_cancelled(Handler handler) {
            handler(std::error_code{});
        }
        template <typename Handler>
        static void invoke_receive_closed(Handler handler) {
            handler(std::error_code{});
        }
    };

    asio::experimental::basic_channel<asio::any_io_executor, signals, void(std::error_code)> waiters_;
};

}  // namespace evercert
