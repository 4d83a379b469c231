#include "simulated_time.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>

#include <asio/any_io_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>

#include "base/event.hpp"

namespace test {

struct simulated_time::sleeper {
    sleeper(const machine_clock* of, evercert::steady_time until, const asio::any_io_executor& executor)
        : of{of}, until{until}, woken{executor} {}
    const machine_clock* of;
    evercert::steady_time until;
    evercert::event woken;
};

simulated_time::simulated_time(asio::io_context& io) : io_{io}, sleepers_{std::make_shared<sleepers>()} {}

std::shared_ptr<simulated_time::machine_clock> simulated_time::make_clock() {
    return std::make_shared<machine_clock>(*this);
}

bool simulated_time::run_until(const std::function<bool()>& done, evercert::duration limit) {
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

void simulated_time::pass(evercert::duration length) {
    run_until([] { return false; }, length);
}

void simulated_time::run_to_end(asio::awaitable<void> work, const ending& outcome, evercert::duration limit) {
    asio::co_spawn(io_, std::move(work), [](std::exception_ptr) {});
    if (!run_until([&] { return outcome.ended(); }, limit))
        throw std::runtime_error{"the coroutine did not end in the time that it was given"};
}

void simulated_time::settle() {
    for (io_.restart(); io_.poll_one() > 0; io_.restart())
        if (after_handler)
            after_handler();
}

std::optional<evercert::duration> simulated_time::next_wake() const {
    std::optional<evercert::duration> next;
    for (const auto& one : *sleepers_) {
        const auto at = now_ + (one->until - one->of->steady());
        next = next ? std::min(*next, at) : at;
    }
    return next;
}

void simulated_time::move_to(evercert::duration to) {
    now_ = std::max(now_, to);
    for (const auto& one : *sleepers_)
        if (one->of->steady() >= one->until)
            one->woken.notify_all();
}

/// Among those who sleep until it is destroyed.
class simulated_time::machine_clock::leave {
public:
    leave(std::shared_ptr<sleepers> all, const std::shared_ptr<sleeper>& one)
        : all_{std::move(all)}, place_{all_->insert(all_->end(), one)} {}
    ~leave() { all_->erase(place_); }
    leave(const leave&) = delete;

private:
    const std::shared_ptr<sleepers> all_;
    const sleepers::iterator place_;
};

evercert::wall_time simulated_time::machine_clock::wall() const { return begin + of_.now_ + step_; }

evercert::steady_time simulated_time::machine_clock::steady() const {
    return evercert::steady_time{std::chrono::hours{1000}} + of_.now_ - suspended_;
}

asio::awaitable<void> simulated_time::machine_clock::sleep_for(evercert::duration length) {
    const auto executor = co_await asio::this_coro::executor;
    const auto mine = std::make_shared<sleeper>(this, steady() + std::max(length, evercert::duration{}), executor);
    const leave at_the_end{of_.sleepers_, mine};
    do
        co_await mine->woken.wait();
    while (steady() < mine->until);
}

void simulated_time::machine_clock::step(evercert::duration by) { step_ += by; }

void simulated_time::machine_clock::set(evercert::wall_time to) { step_ += to - wall(); }

void simulated_time::machine_clock::suspend(evercert::duration length) {
    of_.now_ += length;
    suspended_ += length;
}

}  // namespace test
