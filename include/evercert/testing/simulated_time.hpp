#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>

namespace asio {
class io_context;
}

namespace evercert::testing {

class simulated_clock;
class simulated_network;
class simulated_worker;

/// Time that moves when nothing on its io_context can run any more, to the next moment that somebody waits for: weeks pass in
/// milliseconds, and always in the same way, since everything happens in one order on one thread.
///
///     asio::io_context io;
///     evercert::testing::simulated_time time{io};
///     my_server server{io, {.clock = time.make_clock()}};
///     time.pass(std::chrono::days{30});
///
/// What runs on other threads, or waits for real sockets, is not seen: give the parts a `simulated_network`, and the
/// io_context as the executor of work that blocks (`manager_options::blocking_executor`).
///
/// Thread-bound: it runs the io_context itself, on the thread that calls it; do not call `io.run()` beside it. Nothing but
/// `call_at()`, `now()`, `elapsed()` and `moments()` may be called from what it runs. Must not outlive the io_context;
/// clocks may.
class simulated_time {
public:
    /// What all clocks show at first.
    static constexpr wall_time begin_default = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};

    explicit simulated_time(asio::io_context&, wall_time begin = begin_default);
    ~simulated_time();
    simulated_time(const simulated_time&) = delete;
    simulated_time& operator=(const simulated_time&) = delete;

    /// The clock of one more machine. It shows the true time until it is told otherwise; its `steady()` begins at 1,000 hours,
    /// as on a machine that has been up for a while.
    std::shared_ptr<simulated_clock> make_clock();

    /// The true time, which no step of a clock changes; and since the beginning.
    wall_time now() const noexcept;
    duration elapsed() const noexcept;

    /// Run everything until `done()`, at most until `limit` from now; whether it was done. `done` is asked each time when
    /// nothing can run any more. What handlers throw comes out of here, and time can go on afterwards.
    bool run_until(const std::function<bool()>& done, duration limit);
    /// Run everything that happens in this time, its last moment included. 0 = what can run now.
    void pass(duration length);
    /// Run `work`, and everything beside it, until it ends; what it returned or threw. After `limit` it is cancelled and
    /// `errc::timed_out` thrown.
    template <typename T>
    T run(asio::awaitable<T> work, duration limit = run_limit) {
        if constexpr (std::is_void_v<T>) {
            drive(std::move(work), limit);
        } else {
            auto result = std::make_shared<std::optional<T>>();
            drive(keep(std::move(work), result), limit);
            return std::move(**result);
        }
    }
    static constexpr duration run_limit = std::chrono::hours{24};

    /// Call `what` at this moment of `elapsed()`, before coroutines that sleep until then; at once, if it is over. Calls for
    /// the same moment come in the order in which they were asked for. Dropped if the time is destroyed before.
    void call_at(duration when, std::function<void()> what);

    /// Moments that time jumped to so far: what a simulation costs goes with them.
    std::uint64_t moments() const noexcept;

private:
    friend simulated_clock;
    friend simulated_network;
    friend simulated_worker;
    struct core;

    template <typename T>
    static asio::awaitable<void> keep(asio::awaitable<T> work, std::shared_ptr<std::optional<T>> result) {
        result->emplace(co_await std::move(work));
    }
    void drive(asio::awaitable<void>, duration limit);

    std::shared_ptr<core> core_;
};

/// A machine's clock in simulated time, from `simulated_time::make_clock()`. Thread-bound, as everything here. May outlive its
/// `simulated_time`: then it stands, and who sleeps on it is never woken.
class simulated_clock final : public clock {
public:
    ~simulated_clock() override;

    wall_time wall() const override;
    steady_time steady() const override;
    asio::awaitable<void> sleep_for(duration) override;
    /// In one go: steps and the end of a suspension are noticed at once.
    asio::awaitable<void> sleep_until(wall_time when) override;
    asio::awaitable<void> sleep_until_stepped(duration tolerance) override;

    /// Somebody sets the wall clock: by so much, or to this time. What sleeps by `sleep_for()` does not notice.
    void step(duration by);
    void set(wall_time to);
    /// The machine is suspended from now on for so long, or for so much longer if it is already: its `steady()` stands and
    /// its sleepers with it, the wall clock shows the time that passed. The network keeps what is sent to it from arriving,
    /// which is all that could wake it.
    void suspend(duration length);
    bool suspended() const;
    /// The moment of `simulated_time::elapsed()` at which the last suspension ends.
    duration resumes_at() const;

private:
    friend simulated_time;
    struct sleepers;
    asio::awaitable<void> sleep(duration, bool by_wall);
    explicit simulated_clock(std::shared_ptr<simulated_time::core>);

    std::shared_ptr<simulated_time::core> time_;
    std::shared_ptr<sleepers> sleepers_;
    duration step_{};
};

}  // namespace evercert::testing
