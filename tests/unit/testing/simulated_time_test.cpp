#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <evercert/error.hpp>
#include <evercert/rethrow.hpp>
#include <evercert/testing/simulated_time.hpp>

#include "catch.hpp"
#include "run.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using evercert::testing::simulated_clock;
using evercert::testing::simulated_time;

namespace {

using started = test::started<>;

asio::awaitable<void> doze(std::shared_ptr<evercert::clock> on, duration length) { co_await on->sleep_for(length); }
asio::awaitable<void> doze_until(std::shared_ptr<evercert::clock> on, wall_time when) {
    co_await on->sleep_until(when);
}

asio::awaitable<void> sleep_and_note(
    std::shared_ptr<evercert::clock> on, duration length, std::string& notes, char note) {
    co_await on->sleep_for(length);
    notes += note;
}

asio::awaitable<int> answer_after(std::shared_ptr<evercert::clock> on, duration length) {
    co_await on->sleep_for(length);
    co_return 42;
}

asio::awaitable<void> fail_after(std::shared_ptr<evercert::clock> on, duration length) {
    co_await on->sleep_for(length);
    throw std::domain_error{"it failed"};
}

asio::awaitable<void> hold(std::shared_ptr<evercert::clock> on, std::shared_ptr<int>) {
    co_await on->sleep_for(std::chrono::days{400});
}

struct machine {
    asio::io_context io;
    simulated_time time{io};
    std::shared_ptr<simulated_clock> clock = time.make_clock();

    /// When this ends, at the latest in 30 days.
    duration end_of(const started& one) {
        CHECK(time.run_until([&] { return one.ended(); }, std::chrono::days{30}));
        return time.elapsed();
    }
};

}  // namespace

TEST_CASE("simulated time stands until it is told to pass, and goes to where it was told") {
    machine on;
    CHECK(on.time.now() == simulated_time::begin_default);
    CHECK(on.clock->wall() == simulated_time::begin_default);
    const auto steady = on.clock->steady();
    on.time.pass(std::chrono::days{3});
    CHECK(on.time.elapsed() == std::chrono::days{3});
    CHECK(on.time.now() == simulated_time::begin_default + std::chrono::days{3});
    CHECK(on.clock->wall() == on.time.now());
    CHECK(on.clock->steady() - steady == std::chrono::days{3});

    const wall_time other = std::chrono::sys_days{std::chrono::year{1999} / 12 / 31};
    simulated_time elsewhere{on.io, other};
    CHECK(elsewhere.make_clock()->wall() == other);
}

TEST_CASE("sleepers wake in the order of their times, whichever clock is theirs, and equal ones as they came") {
    machine on;
    const auto other = on.time.make_clock();
    std::string notes;
    std::vector<started> all;
    const auto executor = on.io.get_executor();
    all.emplace_back(executor, sleep_and_note(on.clock, 3h, notes, 'd'));
    all.emplace_back(executor, sleep_and_note(other, 2h, notes, 'c'));
    all.emplace_back(executor, sleep_and_note(on.clock, 1h, notes, 'a'));
    all.emplace_back(executor, sleep_and_note(on.clock, 1h, notes, 'b'));
    all.emplace_back(executor, sleep_and_note(other, 4h, notes, 'e'));
    on.time.pass(3h);
    CHECK(notes == "abcd");
    on.time.pass(1h);
    CHECK(notes == "abcde");
}

TEST_CASE("a sleep of nothing, or of less, ends at once") {
    machine on;
    for (const duration length : {duration{}, duration{-1h}}) {
        started one{on.io.get_executor(), doze(on.clock, length)};
        CHECK(on.end_of(one) == 0s);
    }
}

TEST_CASE("calls come at their moment, in order, and before those who sleep until then") {
    machine on;
    std::string notes;
    const auto note = [&](char what) { return [&notes, what] { notes += what; }; };
    started one{on.io.get_executor(), sleep_and_note(on.clock, 1h, notes, 's')};
    on.time.call_at(2h, note('z'));
    on.time.call_at(1h, note('a'));
    on.time.call_at(1h, note('b'));
    on.time.call_at(0s, note('0'));
    on.time.pass(1h - 1ns);
    CHECK(notes == "0");
    on.time.pass(1ns);
    CHECK(notes == "0abs");
    on.time.call_at(5s, note('!'));
    on.time.pass(0s);
    CHECK(notes == "0abs!");
    on.time.pass(1h);
    CHECK(notes == "0abs!z");
}

TEST_CASE("a call may ask for more calls, and for one that is over") {
    machine on;
    std::vector<duration> called;
    on.time.call_at(1h, [&] {
        called.push_back(on.time.elapsed());
        on.time.call_at(2h, [&] { called.push_back(on.time.elapsed()); });
        on.time.call_at(30min, [&] { called.push_back(on.time.elapsed()); });
    });
    on.time.pass(3h);
    CHECK(called == std::vector<duration>{1h, 1h, 2h});
}

TEST_CASE("calls and their keep are dropped with the simulated time") {
    asio::io_context io;
    auto kept = std::make_shared<int>();
    {
        simulated_time time{io};
        time.call_at(1h, [kept] {});
        CHECK(kept.use_count() == 2);
    }
    CHECK(kept.use_count() == 1);
}

TEST_CASE("run_until stops as soon as it is done, and at the limit if it never is") {
    machine on;
    started one{on.io.get_executor(), doze(on.clock, 1h)};
    CHECK(on.time.run_until([&] { return one.ended(); }, 2h));
    CHECK(on.time.elapsed() == 1h);
    CHECK(!on.time.run_until([] { return false; }, 2h));
    CHECK(on.time.elapsed() == 3h);
    started other{on.io.get_executor(), doze(on.clock, 1h)};
    CHECK(on.time.run_until([&] { return other.ended(); }, 1h));
}

TEST_CASE("moments are counted, however long they are apart") {
    machine on;
    started one{on.io.get_executor(), doze(on.clock, std::chrono::days{1000})};
    on.time.pass(std::chrono::days{2000});
    CHECK(on.time.moments() == 2);
}

TEST_CASE("a step of the wall clock does not disturb who sleeps for a length") {
    machine on;
    started one{on.io.get_executor(), doze(on.clock, 2h)};
    on.time.pass(1h);
    const auto steady = on.clock->steady();
    on.clock->step(24h);
    CHECK(on.clock->wall() == on.time.now() + 24h);
    CHECK(on.clock->steady() == steady);
    CHECK(on.end_of(one) == 2h);
    on.clock->set(simulated_time::begin_default);
    CHECK(on.clock->wall() == simulated_time::begin_default);
    CHECK(on.time.make_clock()->wall() == on.time.now());
}

TEST_CASE("who sleeps until a time notices a step at once") {
    machine on;
    const auto begin = simulated_time::begin_default;
    SECTION("forward") {
        started one{on.io.get_executor(), doze_until(on.clock, begin + 24h)};
        on.time.pass(1h + 10s);
        on.clock->step(24h);
        CHECK(on.end_of(one) == 1h + 10s);
    }
    SECTION("backward") {
        started one{on.io.get_executor(), doze_until(on.clock, begin + 2h)};
        on.time.pass(1h);
        on.clock->step(-5h);
        CHECK(on.end_of(one) == 7h);
    }
}

TEST_CASE("on a suspended machine the steady clock stands, the wall clock goes on, and nobody wakes") {
    machine on;
    const auto other = on.time.make_clock();
    started one{on.io.get_executor(), doze(on.clock, 2h)}, elsewhere{on.io.get_executor(), doze(other, 2h)};
    on.time.pass(1h);
    const auto steady = on.clock->steady();
    on.clock->suspend(10h);
    CHECK(on.clock->suspended());
    CHECK(on.clock->resumes_at() == 11h);
    CHECK(!other->suspended());
    on.time.pass(5h);
    CHECK(on.clock->steady() == steady);
    CHECK(on.clock->wall() == on.time.now());
    CHECK(elsewhere.ended());
    CHECK(!one.ended());
    CHECK(on.end_of(one) == 12h);
    CHECK(!on.clock->suspended());
    CHECK(on.clock->steady() == steady + 1h);
}

TEST_CASE("a suspension may be made longer, and another one follow") {
    machine on;
    started one{on.io.get_executor(), doze(on.clock, 3h)};
    on.time.pass(1h);
    on.clock->suspend(2h);
    on.time.pass(1h);
    on.clock->suspend(2h);
    CHECK(on.clock->resumes_at() == 5h);
    on.time.pass(4h);
    CHECK(!on.clock->suspended());
    on.clock->suspend(1h);
    CHECK(on.end_of(one) == 8h);
}

TEST_CASE("what falls asleep on a suspended machine wakes when it has resumed") {
    machine on;
    const auto other = on.time.make_clock();
    on.clock->suspend(2h);
    started one{on.io.get_executor(), doze(on.clock, 0s)}, later{on.io.get_executor(), doze(on.clock, 1h)};
    started elsewhere{on.io.get_executor(), doze(other, 30min)};
    CHECK(on.end_of(one) == 2h);
    CHECK(on.end_of(later) == 3h);
}

TEST_CASE("a machine that is suspended in the moment in which somebody would wake keeps him asleep") {
    machine on;
    started one{on.io.get_executor(), doze(on.clock, 1h)};
    on.time.call_at(1h, [&] { on.clock->suspend(2h); });
    CHECK(on.end_of(one) == 3h);
}

TEST_CASE("who sleeps until a time on a machine that is suspended then wakes at its end") {
    machine on;
    started one{on.io.get_executor(), doze_until(on.clock, simulated_time::begin_default + 2h)};
    on.time.pass(1h + 30s);
    on.clock->suspend(10h);
    CHECK(on.end_of(one) == 11h + 30s);
}

TEST_CASE("run returns what the coroutine returned") {
    machine on;
    CHECK(on.time.run(answer_after(on.clock, 5h)) == 42);
    CHECK(on.time.elapsed() == 5h);
    on.time.run(doze(on.clock, 1h));
    CHECK(on.time.elapsed() == 6h);
}

TEST_CASE("run throws what the coroutine threw") {
    machine on;
    CHECK_THROWS_AS(on.time.run(fail_after(on.clock, 1h)), std::domain_error);
    CHECK(on.time.elapsed() == 1h);
}

TEST_CASE("run cancels the coroutine after the limit") {
    machine on;
    auto kept = std::make_shared<int>();
    try {
        on.time.run(hold(on.clock, kept), 2h);
        FAIL("it ended");
    } catch (const error& why) {
        CHECK(why.code() == errc::timed_out);
    }
    CHECK(on.time.elapsed() == 2h);
    CHECK(kept.use_count() == 1);
}

TEST_CASE("what handlers and calls throw comes out of pass, and time can pass on") {
    machine on;
    asio::post(on.io, [] { throw std::domain_error{"handler"}; });
    CHECK_THROWS_AS(on.time.pass(1h), std::domain_error);
    asio::co_spawn(on.io, fail_after(on.clock, 1h), rethrow);
    CHECK_THROWS_AS(on.time.pass(2h), std::domain_error);
    CHECK(on.time.elapsed() == 1h);
    on.time.call_at(2h, [] { throw std::domain_error{"call"}; });
    CHECK_THROWS_AS(on.time.pass(2h), std::domain_error);
    CHECK(on.time.elapsed() == 2h);
    on.time.pass(1h);
    CHECK(on.time.elapsed() == 3h);
}

TEST_CASE("a sleeper that is cancelled wakes at once, and the others sleep on") {
    machine on;
    started one{on.io.get_executor(), doze(on.clock, 1h)}, other{on.io.get_executor(), doze(on.clock, 1h)};
    on.time.pass(30min);
    one.cancel();
    on.time.pass(0s);
    REQUIRE(one.ended());
    CHECK_THROWS_AS(one.take(), std::system_error);
    CHECK(on.end_of(other) == 1h);
}

TEST_CASE("sleepers may be destroyed with their io_context, after clock and time") {
    auto io = std::make_unique<asio::io_context>();
    auto kept = std::make_shared<int>();
    {
        simulated_time time{*io};
        asio::co_spawn(*io, hold(time.make_clock(), kept), rethrow);
        asio::co_spawn(*io, hold(time.make_clock(), kept), rethrow);
        time.pass(1h);
    }
    CHECK(kept.use_count() == 3);
    io.reset();
    CHECK(kept.use_count() == 1);
}

TEST_CASE("a clock outlives its simulated time, and stands") {
    asio::io_context io;
    std::optional<simulated_time> time{io};
    const auto clock = time->make_clock();
    time->pass(1h);
    time.reset();
    CHECK(clock->wall() == simulated_time::begin_default + 1h);
    started one{io.get_executor(), doze(clock, 1h)};
    io.poll();
    CHECK(!one.ended());
    clock->step(1h);
    CHECK(clock->wall() == simulated_time::begin_default + 2h);
}
