#include <stdexcept>
#include <thread>

#include "base/worker.hpp"
#include "catch.hpp"
#include "run.hpp"

using namespace evercert;

// The loop is declared before what has threads: a worker may still be letting go of the caller's executor when the
// caller has its answer.

TEST_CASE("work that blocks runs on another thread and the caller resumes on its own") {
    asio::io_context io;
    worker blocking;
    auto work = [&]() -> asio::awaitable<void> {
        const auto here = std::this_thread::get_id();
        auto who = [] { return std::this_thread::get_id(); };
        const auto there = co_await blocking.run(std::move(who));
        CHECK(there != here);
        CHECK(std::this_thread::get_id() == here);
    };
    test::run_io(io, work());
}

TEST_CASE("what the work throws comes back") {
    asio::io_context io;
    worker blocking;
    auto work = [&]() -> asio::awaitable<void> {
        auto broken = []() -> int { throw std::runtime_error{"disk full"}; };
        co_await blocking.run(std::move(broken));
    };
    CHECK_THROWS_WITH(test::run_io(io, work()), "disk full");
}

TEST_CASE("an executor of the application's is used instead of a thread of our own") {
    asio::io_context io;
    asio::thread_pool given{1};
    worker blocking{given.get_executor()};
    auto work = [&]() -> asio::awaitable<bool> {
        auto inside = [&given] { return given.get_executor().running_in_this_thread(); };
        co_return co_await blocking.run(std::move(inside));
    };
    CHECK(test::run_io(io, work()));
    given.join();
}
