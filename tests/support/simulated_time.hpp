#pragma once

#include <algorithm>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <evercert/clock.hpp>

#include "base/event.hpp"
#include "run.hpp"

namespace test {

/// Time that moves when nothing on its io_context can run any more, to the next moment that somebody sleeps until: weeks
/// pass in milliseconds, and always the same way. What runs on other threads, or waits for sockets, is not seen: give the parts
/// `memory_network`, and the io_context as the executor for work that blocks.
class simulated_time {
public:
    explicit simulated_time(asio::io_context& io) : io_{io} {}

    class machine_clock;
    /// The clock of one more machine, which shows what the others do until it is told otherwise.
    std::shared_ptr<machine_clock> make_clock();

    /// Run everything until `done()`, at most until `limit` from now.
    template <typename Condition>
    bool run_until(Condition done, evercert::duration limit) {
        const auto end = now_ + limit;
        for (;;) {
            settle();
            if (done())
                return true;
            const auto next = next_wake();
            if (!next || *next > end) {
                move_to(end);
                settle();
                return done();
            }
            move_to(*next);
        }
    }
    void pass(evercert::duration length) {
        run_until([] { return false; }, length);
    }
    template <typename T>
    T run(asio::awaitable<T> work, evercert::duration limit = std::chrono::hours{24}) {
        auto outcome = std::make_shared<result<T>>();
        asio::co_spawn(io_, run_into(outcome, std::move(work)), [](std::exception_ptr) {});
        if (!run_until([&] { return outcome->ended(); }, limit))
            throw std::runtime_error{"the coroutine did not end in the time that it was given"};
        return outcome->take();
    }

    /// Since the beginning; suspended machines do not stop it.
    evercert::duration elapsed() const { return now_; }

    /// Called after each handler of the io_context. A coroutine that goes on takes one, so all are where they wait.
    std::function<void()> after_handler;

    static constexpr evercert::wall_time begin = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};

private:
    struct sleeper {
        sleeper(const machine_clock* of, evercert::steady_time until, const asio::any_io_executor& executor)
            : of{of}, until{until}, woken{executor} {}
        const machine_clock* of;
        evercert::steady_time until;
        evercert::event woken;
    };

    using sleepers = std::list<std::shared_ptr<sleeper>>;

    void settle() {
        for (io_.restart(); io_.poll_one() > 0; io_.restart())
            if (after_handler)
                after_handler();
    }
    std::optional<evercert::duration> next_wake() const;
    void move_to(evercert::duration);

    asio::io_context& io_;
    evercert::duration now_{};
    /// Shared with those who sleep: the io_context destroys some of them after this.
    const std::shared_ptr<sleepers> sleepers_ = std::make_shared<sleepers>();
};

class simulated_time::machine_clock final : public evercert::clock {
public:
    explicit machine_clock(simulated_time& of) : of_{of} {}

    evercert::wall_time wall() const override { return begin + of_.now_ + step_; }
    evercert::steady_time steady() const override {
        return evercert::steady_time{std::chrono::hours{1000}} + of_.now_ - suspended_;
    }
    asio::awaitable<void> sleep_for(evercert::duration length) override {
        const auto executor = co_await asio::this_coro::executor;
        const auto mine = std::make_shared<sleeper>(this, steady() + std::max(length, evercert::duration{}), executor);
        const leave at_the_end{of_.sleepers_, mine};
        do
            co_await mine->woken.wait();
        while (steady() < mine->until);
    }

    /// Somebody sets the wall clock.
    void step(evercert::duration by) { step_ += by; }
    void set(evercert::wall_time to) { step_ += to - wall(); }
    /// The machine sleeps: time goes on for all others, and its wall clock shows it afterwards.
    void suspend(evercert::duration length) {
        of_.now_ += length;
        suspended_ += length;
    }

private:
    friend simulated_time;
    class leave {
    public:
        leave(std::shared_ptr<sleepers> all, const std::shared_ptr<sleeper>& one)
            : all_{std::move(all)}, place_{all_->insert(all_->end(), one)} {}
        ~leave() { all_->erase(place_); }
        leave(const leave&) = delete;

    private:
        const std::shared_ptr<sleepers> all_;
        const sleepers::iterator place_;
    };

    simulated_time& of_;
    evercert::duration step_{};
    evercert::duration suspended_{};
};

inline std::shared_ptr<simulated_time::machine_clock> simulated_time::make_clock() {
    return std::make_shared<machine_clock>(*this);
}

inline std::optional<evercert::duration> simulated_time::next_wake() const {
    std::optional<evercert::duration> next;
    for (const auto& one : *sleepers_) {
        const auto at = now_ + (one->until - one->of->steady());
        next = next ? std::min(*next, at) : at;
    }
    return next;
}

inline void simulated_time::move_to(evercert::duration to) {
    now_ = std::max(now_, to);
    for (const auto& one : *sleepers_)
        if (one->of->steady() >= one->until)
            one->woken.notify_all();
}

}  // namespace test
