#pragma once

#include <chrono>
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

/// Coroutines in tests.
///
///     TEST_CASE("…") {
///         auto answer = test::run_io([&](asio::io_context& io) -> asio::awaitable<int> { … });
///     }
///
/// The lambda may capture: it outlives the coroutine. Inside, never `co_await` in REQUIRE or CHECK (GCC 12): name the
/// result first. A failed REQUIRE ends the coroutine and then the test case.
namespace test {

/// What a coroutine came to, so that a result needs no default constructor.
template <typename T>
struct result {
    std::optional<std::conditional_t<std::is_void_v<T>, bool, T>> value = {};
    std::exception_ptr thrown = {};

    bool ended() const { return value.has_value() || thrown; }
    T take() {
        if (thrown)
            std::rethrow_exception(thrown);
        if constexpr (!std::is_void_v<T>)
            return std::move(*value);
    }
};

template <typename T>
asio::awaitable<void> run_into(std::shared_ptr<result<T>> into, asio::awaitable<T> work) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(work);
            into->value = true;
        } else {
            into->value.emplace(co_await std::move(work));
        }
    } catch (...) {
        into->thrown = std::current_exception();
    }
}

/// Longer than any test takes under a sanitizer, shorter than Meson's own timeout.
inline constexpr std::chrono::seconds limit_default{30};

/// Run `work` on `io` until it ends; return its value or throw what it threw. Fails after `limit`. What else is on `io`
/// stays there, and can go on with the next call.
template <typename T>
T run_io(asio::io_context& io, asio::awaitable<T> work, std::chrono::milliseconds limit = limit_default) {
    auto outcome = std::make_shared<result<T>>();
    asio::co_spawn(io, run_into(outcome, std::move(work)), [&io](std::exception_ptr) { io.stop(); });
    io.restart();
    io.run_for(limit);
    if (!outcome->ended())
        throw std::runtime_error{"the coroutine did not end in " + std::to_string(limit.count()) + " ms"};
    return outcome->take();
}

template <typename T>
T run_io(asio::awaitable<T> work, std::chrono::milliseconds limit = limit_default) {
    asio::io_context io;
    return run_io(io, std::move(work), limit);
}

template <std::invocable<asio::io_context&> Coroutine>
auto run_io(Coroutine&& coroutine, std::chrono::milliseconds limit = limit_default) {
    asio::io_context io;
    return run_io(io, coroutine(io), limit);
}

/// A coroutine beside the test's own, which can be cancelled, watched and joined. Destroying it cancels the
/// coroutine and does not wait: join it first if it refers to what goes out of scope. It may outlive its io_context, which
/// destroys the coroutine.
template <typename T = void>
class started {
public:
    started(asio::any_io_executor executor, asio::awaitable<T> work) {
        const auto owned = std::make_shared<running>(executor);
        running_ = owned;
        asio::co_spawn(
            executor, run_into(outcome_, std::move(work)),
            asio::bind_cancellation_slot(owned->signal.slot(), [owned, outcome = outcome_](std::exception_ptr thrown) {
                if (thrown && !outcome->ended())
                    outcome->thrown = thrown;  // cancelled before it began
                owned->ended.cancel();
            }));
    }
    started(started&&) noexcept = default;
    started& operator=(started&&) = delete;
    ~started() {
        if (outcome_ && !ended())
            cancel();
    }

    void cancel(asio::cancellation_type type = asio::cancellation_type::terminal) {
        // Kept meanwhile: what this completes may destroy it.
        if (const auto it = running_.lock())
            it->signal.emit(type);
    }
    bool ended() const { return outcome_->ended(); }
    /// What it came to, once it has ended: returns or throws.
    T take() { return outcome_->take(); }

    /// Wait for its end; return its value or throw what it threw. Same executor only.
    asio::awaitable<T> join() {
        const auto outcome = outcome_;
        if (const auto it = running_.lock())
            co_await wait_for_end(*it, *outcome);
        if (!outcome->ended())
            throw std::logic_error{"a coroutine is joined that its io_context destroyed"};
        co_return outcome->take();
    }

private:
    /// What a coroutine has while it runs. Its completion handler owns it, so that it goes with the io_context at the latest.
    struct running {
        explicit running(const asio::any_io_executor& executor)
            : ended{executor, asio::steady_timer::time_point::max()} {}
        asio::cancellation_signal signal = {};
        asio::steady_timer ended;
    };

    static asio::awaitable<void> wait_for_end(running& it, const result<T>& outcome) {
        while (!outcome.ended()) {
            asio::error_code woken;
            co_await it.ended.async_wait(asio::redirect_error(asio::use_awaitable, woken));
            auto state = co_await asio::this_coro::cancellation_state;
            if (state.cancelled() != asio::cancellation_type::none)
                throw std::system_error{asio::error::operation_aborted};
        }
    }

    std::shared_ptr<result<T>> outcome_ = std::make_shared<result<T>>();
    std::weak_ptr<running> running_;
};

/// The code of the `std::system_error` (an `evercert::error` is one) that `work` ends with; none if it ends well.
/// Anything else that it throws goes on.
template <typename T>
asio::awaitable<std::error_code> failure_of(asio::awaitable<T> work) {
    std::error_code failure;
    try {
        co_await std::move(work);
    } catch (const std::system_error& thrown) {
        failure = thrown.code();
    }
    co_return failure;
}

/// Let everything that is ready on this executor run, `times` times over.
inline asio::awaitable<void> yield(int times = 1) {
    auto executor = co_await asio::this_coro::executor;
    for (int i = 0; i < times; ++i)
        co_await asio::post(executor, asio::use_awaitable);
}

}  // namespace test
