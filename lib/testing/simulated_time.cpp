#include <asio/this_coro.hpp>

#include <evercert/error.hpp>
#include <evercert/testing/simulated_time.hpp>

#include "base/outcome.hpp"
#include "base/task_group.hpp"
#include "base/wall_time.hpp"
#include "testing/simulated_time_core.hpp"

namespace evercert::testing {

namespace {

/// A machine has been up for a while: nothing that counts from the start of its steady clock may begin at 0.
constexpr duration up_before = std::chrono::hours{1000};

/// Longer than what can be simulated.
constexpr duration no_end = std::chrono::days{36500};

}  // namespace

std::optional<duration> simulated_time::core::next_moment() const {
    std::optional<duration> next;
    const auto consider = [&](duration when) { next = next ? std::min(*next, when) : when; };
    if (!calls.empty())
        consider(calls.begin()->first.first);
    for (const auto& each : clocks)
        if (const auto all = each.lock(); all && !all->waiting.empty())
            consider(all->when(all->waiting.begin()->first.first));
    return next;
}

void simulated_time::core::call_due() {
    while (!calls.empty() && calls.begin()->first.first <= now)
        calls.extract(calls.begin()).mapped()();
}

void simulated_time::core::move_to(duration to) {
    now = std::max(now, to);
    ++moments;
    call_due();
    for (const auto& each : clocks) {
        const auto all = each.lock();
        if (!all || now < all->suspended_until)
            continue;
        const auto steady = all->running(now);
        while (!all->waiting.empty() && all->waiting.begin()->first.first <= steady) {
            const auto first = all->waiting.extract(all->waiting.begin());
            first.mapped()->wake();
        }
    }
}

simulated_time::simulated_time(asio::io_context& io, wall_time begin) : core_{std::make_shared<core>(io, begin)} {}

simulated_time::~simulated_time() {
    core_->ended = true;
    // What they hold may hold this core.
    const auto dropped = std::exchange(core_->calls, {});
}

std::shared_ptr<simulated_clock> simulated_time::make_clock() {
    const std::shared_ptr<simulated_clock> made{new simulated_clock{core_}};
    std::erase_if(core_->clocks, [](const auto& each) { return each.expired(); });
    core_->clocks.push_back(made->sleepers_);
    return made;
}

wall_time simulated_time::now() const noexcept { return plus(core_->begin, core_->now); }

duration simulated_time::elapsed() const noexcept { return core_->now; }

std::uint64_t simulated_time::moments() const noexcept { return core_->moments; }

bool simulated_time::run_until(const std::function<bool()>& done, duration limit) {
    const auto end = core_->now + limit;
    for (;;) {
        core_->settle();
        if (done())
            return true;
        const auto next = core_->next_moment();
        if (!next || *next > end)
            break;
        core_->move_to(*next);
    }
    core_->move_to(end);
    core_->settle();
    return done();
}

void simulated_time::pass(duration length) {
    run_until([] { return false; }, length);
}

void simulated_time::call_at(duration when, std::function<void()> what) { core_->call_at(when, std::move(what)); }

namespace {

struct driven {
    bool ended = false;
    outcome<void> result;
};

asio::awaitable<void> record(std::shared_ptr<driven> into, asio::awaitable<void> work) {
    into->result = co_await as_outcome(std::move(work));
    into->ended = true;
}

}  // namespace

void simulated_time::drive(asio::awaitable<void> work, duration limit) {
    const auto state = std::make_shared<driven>();
    task_group running{core_->io.get_executor()};
    running.spawn(record(state, std::move(work)));
    if (!run_until([&] { return state->ended; }, limit)) {
        running.cancel();
        core_->settle();
        throw error{errc::timed_out, "what the simulation ran did not end within " + to_text(limit)};
    }
    core_->settle();
    state->result.get();
}

simulated_clock::simulated_clock(std::shared_ptr<simulated_time::core> time)
    : time_{std::move(time)}, sleepers_{std::make_shared<sleepers>()} {}

simulated_clock::~simulated_clock() = default;

wall_time simulated_clock::wall() const { return plus(plus(time_->begin, time_->now), step_); }

steady_time simulated_clock::steady() const { return steady_time{up_before + sleepers_->running(time_->now)}; }

asio::awaitable<void> simulated_clock::sleep_for(duration length) { return sleep(length, false); }

asio::awaitable<void> simulated_clock::sleep_until(wall_time when) {
    for (auto now = wall(); now < when; now = wall())
        co_await sleep(between(now, when), true);
}

asio::awaitable<void> simulated_clock::sleep_until_stepped(duration) { return sleep(no_end, true); }

asio::awaitable<void> simulated_clock::sleep(duration length, bool by_wall) {
    const auto all = sleepers_;
    const auto executor = co_await asio::this_coro::executor;
    sleepers::sleeper mine{executor, by_wall};
    const sleepers::key key{all->running(time_->now) + std::max(length, duration{}), all->next++};
    /// Also when the coroutine is cancelled or destroyed.
    struct leave {
        sleepers& all;
        const sleepers::key& key;
        ~leave() { all.waiting.erase(key); }
    } const at_the_end{*all, key};
    all->waiting.emplace(key, &mine);
    while (!mine.due)
        co_await mine.woken.wait();
}

void simulated_clock::step(duration by) {
    step_ += by;
    sleepers_->wake_those_by_wall();
}

void simulated_clock::set(wall_time to) { step(between(wall(), to)); }

void simulated_clock::suspend(duration length) {
    auto& all = *sleepers_;
    all.lost += length;
    all.suspended_until = std::max(time_->now, all.suspended_until) + length;
    // Its wall clock went on.
    time_->call_at(all.suspended_until, [sleeping = std::weak_ptr{sleepers_}] {
        if (const auto those = sleeping.lock())
            those->wake_those_by_wall();
    });
}

bool simulated_clock::suspended() const { return time_->now < sleepers_->suspended_until; }

duration simulated_clock::resumes_at() const { return sleepers_->suspended_until; }

}  // namespace evercert::testing
