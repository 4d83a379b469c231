#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include <evercert/clock.hpp>

#include "run.hpp"

namespace test {

/// Time that moves when nothing on its io_context can run any more, to the next moment that somebody sleeps until: weeks
/// pass in milliseconds, and always the same way. What runs on other threads, or waits for sockets, is not seen: give the parts
/// `memory_network`, and the io_context as the executor for work that blocks.
class simulated_time {
public:
    explicit simulated_time(asio::io_context& io);

    class machine_clock;
    /// The clock of one more machine, which shows what the others do until it is told otherwise.
    std::shared_ptr<machine_clock> make_clock();

    /// Run everything until `done()`, at most until `limit` from now.
    bool run_until(const std::function<bool()>& done, evercert::duration limit);
    void pass(evercert::duration length);
    template <typename T>
    T run(asio::awaitable<T> work, evercert::duration limit = std::chrono::hours{24}) {
        const auto outcome = std::make_shared<result<T>>();
        run_to_end(run_into(outcome, std::move(work)), *outcome, limit);
        return outcome->take();
    }

    /// Since the beginning; suspended machines do not stop it.
    evercert::duration elapsed() const { return now_; }

    /// Called after each handler of the io_context. A coroutine that goes on takes one, so all are where they wait.
    std::function<void()> after_handler;

    static constexpr evercert::wall_time begin = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};

private:
    struct sleeper;
    using sleepers = std::list<std::shared_ptr<sleeper>>;

    void run_to_end(asio::awaitable<void> work, const ending& outcome, evercert::duration limit);
    void settle();
    std::optional<evercert::duration> next_wake() const;
    void move_to(evercert::duration);

    asio::io_context& io_;
    evercert::duration now_{};
    /// Shared with those who sleep: the io_context destroys some of them after this.
    const std::shared_ptr<sleepers> sleepers_;
};

class simulated_time::machine_clock final : public evercert::clock {
public:
    explicit machine_clock(simulated_time& of) : of_{of} {}

    evercert::wall_time wall() const override;
    evercert::steady_time steady() const override;
    asio::awaitable<void> sleep_for(evercert::duration length) override;

    /// Somebody sets the wall clock.
    void step(evercert::duration by);
    void set(evercert::wall_time to);
    /// The machine sleeps: time goes on for all others, and its wall clock shows it afterwards.
    void suspend(evercert::duration length);

private:
    friend simulated_time;
    class leave;

    simulated_time& of_;
    evercert::duration step_{};
    evercert::duration suspended_{};
};

}  // namespace test
