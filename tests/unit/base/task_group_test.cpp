#include <stdexcept>

#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include "base/task_group.hpp"
#include "base/within.hpp"
#include "catch.hpp"
#include "fake_clock.hpp"
#include "run.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

asio::awaitable<void> sleep_long(std::shared_ptr<evercert::clock> time, int* ended) {
    try {
        co_await time->sleep_for(1h);
    } catch (const std::system_error&) {
        ++*ended;
        throw;
    }
}

asio::awaitable<void> fail() {
    throw std::runtime_error{"broken"};
    co_return;
}

}  // namespace

TEST_CASE("a group cancels its children and joins them") {
    asio::io_context io;
    int ended = 0;
    task_group group{io.get_executor()};
    auto work = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < 3; ++i)
            group.spawn(sleep_long(system_clock(), &ended));
        CHECK(group.size() == 3);
        co_await asio::post(io, asio::use_awaitable);
        group.cancel();
        co_await group.join();
    };
    test::run_io(io, work());
    CHECK(ended == 3);
    CHECK(group.size() == 0);
}

TEST_CASE("what a child throws is reported, its cancellation is not") {
    asio::io_context io;
    int failures = 0, ended = 0;
    task_group group{io.get_executor(), [&](std::exception_ptr thrown) {
                         ++failures;
                         CHECK_THROWS_WITH(std::rethrow_exception(thrown), "broken");
                     }};
    auto work = [&]() -> asio::awaitable<void> {
        group.spawn(fail());
        group.spawn(sleep_long(system_clock(), &ended));
        co_await asio::post(io, asio::use_awaitable);
        group.cancel();
        co_await group.join();
    };
    test::run_io(io, work());
    CHECK(failures == 1);
    CHECK(ended == 1);
}

TEST_CASE("children on other executors are cancelled and joined from the group's") {
    asio::thread_pool threads{2};
    asio::io_context io;
    int ended = 0;
    task_group group{io.get_executor()};
    auto work = [&]() -> asio::awaitable<void> {
        group.spawn(asio::make_strand(threads), sleep_long(system_clock(), &ended));
        group.cancel();
        co_await group.join();
    };
    test::run_io(io, work());
    CHECK(group.size() == 0);
    threads.join();
}

namespace {

asio::awaitable<int> answer() { co_return 42; }

asio::awaitable<int> answer_late(std::shared_ptr<evercert::clock> time, bool* cancelled) {
    try {
        co_await time->sleep_for(1h);
    } catch (const std::system_error&) {
        *cancelled = true;
        throw;
    }
    co_return 42;
}

asio::awaitable<int> answer_badly() {
    throw error{errc::connect_failed, "refused"};
    co_return 0;
}

}  // namespace

TEST_CASE("within returns what the work returned and throws what it threw") {
    CHECK(test::run_io(within(*system_clock(), 1h, "asking", answer())) == 42);
    try {
        test::run_io(within(*system_clock(), 1h, "asking", answer_badly()));
        FAIL("nothing thrown");
    } catch (const error& e) {
        CHECK(e.code() == errc::connect_failed);
    }
}

TEST_CASE("within cancels work that takes too long and says which") {
    bool cancelled = false;
    try {
        test::run_io(within(*system_clock(), 5ms, "asking", answer_late(system_clock(), &cancelled)));
        FAIL("nothing thrown");
    } catch (const error& e) {
        CHECK(e.code() == errc::timed_out);
        CHECK(std::string{e.what()} == "asking took longer than 0.005 s");
    }
    CHECK(cancelled);
}

TEST_CASE("within passes its caller's cancellation on") {
    asio::io_context io;
    bool cancelled = false;
    test::started<int> asked{
        io.get_executor(), within(*system_clock(), 1h, "asking", answer_late(system_clock(), &cancelled))};
    io.poll();
    asked.cancel();
    io.restart();
    io.run();
    REQUIRE(asked.ended());
    CHECK_THROWS_AS(asked.take(), std::system_error);
    CHECK(cancelled);
}

TEST_CASE("sleep_until notices a wall clock that is stepped forward within a slice") {
    asio::io_context io;
    auto time = std::make_shared<test::fake_clock>(io.get_executor());
    test::started<void> asleep{io.get_executor(), time->sleep_until(time->wall() + 240h)};
    io.poll();
    time->step(240h);
    time->advance(evercert::clock::slice);
    io.restart();
    io.poll();
    CHECK(asleep.ended());
}

TEST_CASE("sleep_until_stepped ends within a slice of a step in either direction, and of none within the tolerance") {
    const auto [step, ends] = GENERATE(table<duration, bool>({{1h, true}, {-1h, true}, {5min, false}, {-5min, false}}));
    asio::io_context io;
    auto time = std::make_shared<test::fake_clock>(io.get_executor());
    test::started<void> asleep{io.get_executor(), time->sleep_until_stepped(10min)};
    const auto pass = [&] {
        io.restart();
        io.poll();
        time->advance(evercert::clock::slice);
        io.restart();
        io.poll();
    };
    pass();
    CHECK_FALSE(asleep.ended());
    time->step(step);
    pass();
    CHECK(asleep.ended() == ends);
}

TEST_CASE("sleep_until goes on sleeping when the wall clock is stepped back") {
    asio::io_context io;
    auto time = std::make_shared<test::fake_clock>(io.get_executor());
    test::started<void> asleep{io.get_executor(), time->sleep_until(time->wall() + 30s)};
    io.poll();
    time->step(-1h);
    time->advance(30s);
    io.restart();
    io.poll();
    CHECK_FALSE(asleep.ended());
}
