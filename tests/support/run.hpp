#pragma once

#include <chrono>
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_type.hpp>
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
///
/// What spawns a coroutine takes the compiler long, so that is in run.cpp and simulated_time.cpp, once: of `awaitable<void>`,
/// which `run_into` makes of any other.
namespace test {

/// How a coroutine ended, if it has.
struct ending {
    bool returned = false;
    std::exception_ptr thrown = {};

    bool ended() const { return returned || thrown; }
    void rethrow() const {
        if (thrown)
            std::rethrow_exception(thrown);
    }
};

/// What a coroutine came to, so that a result needs no default constructor.
template <typename T>
struct result : ending {
    std::optional<T> value = {};

    T take() {
        rethrow();
        return std::move(*value);
    }
};
template <>
struct result<void> : ending {
    void take() { rethrow(); }
};

template <typename T>
asio::awaitable<void> run_into(std::shared_ptr<result<T>> into, asio::awaitable<T> work) {
    try {
        into->value.emplace(co_await std::move(work));
        into->returned = true;
    } catch (...) {
        into->thrown = std::current_exception();
    }
}
asio::awaitable<void> run_into(std::shared_ptr<result<void>> into, asio::awaitable<void> work);

/// Longer than any test takes under a sanitizer, shorter than Meson's own timeout.
inline constexpr std::chrono::seconds limit_default{30};

/// Run `work` on `io` until it ends, which `outcome` shows then. Fails after `limit`.
void run_to_end(
    asio::io_context& io, asio::awaitable<void> work, const ending& outcome, std::chrono::milliseconds limit);

/// Run `work` on `io` until it ends; return its value or throw what it threw. Fails after `limit`. What else is on `io`
/// stays there, and can go on with the next call.
template <typename T>
T run_io(asio::io_context& io, asio::awaitable<T> work, std::chrono::milliseconds limit = limit_default) {
    const auto outcome = std::make_shared<result<T>>();
    run_to_end(io, run_into(outcome, std::move(work)), *outcome, limit);
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

/// What `started` has of any type.
class started_work {
public:
    started_work(started_work&&) noexcept = default;
    started_work& operator=(started_work&&) = delete;

    void cancel(asio::cancellation_type type = asio::cancellation_type::terminal);
    bool ended() const { return ending_->ended(); }

protected:
    started_work(asio::any_io_executor executor, std::shared_ptr<ending> outcome, asio::awaitable<void> work);
    ~started_work();

    struct running;
    static asio::awaitable<void> wait_for_end(running& it, const ending& outcome);

    std::shared_ptr<ending> ending_;
    std::weak_ptr<running> running_;
};

/// A coroutine beside the test's own, which can be cancelled, watched and joined. Destroying it cancels the
/// coroutine and does not wait: join it first if it refers to what goes out of scope. It may outlive its io_context, which
/// destroys the coroutine.
template <typename T = void>
class started : public started_work {
public:
    started(asio::any_io_executor executor, asio::awaitable<T> work)
        : started{std::move(executor), std::make_shared<result<T>>(), std::move(work)} {}

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
    started(asio::any_io_executor executor, const std::shared_ptr<result<T>>& outcome, asio::awaitable<T> work)
        : started_work{std::move(executor), outcome, run_into(outcome, std::move(work))}, outcome_{outcome} {}

    std::shared_ptr<result<T>> outcome_;
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
asio::awaitable<void> yield(int times = 1);

}  // namespace test
