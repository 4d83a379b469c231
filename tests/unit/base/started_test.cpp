#include <asio/steady_timer.hpp>

#include "catch.hpp"
#include "run.hpp"

// Of the tests' own support: see tests/support/run.hpp.

namespace {

struct seen {
    bool cancelled = false;
    bool destroyed = false;
};

asio::awaitable<void> wait_for_ever(seen& by) {
    struct leaving {
        bool& destroyed;
        ~leaving() { destroyed = true; }
    } const leaving{by.destroyed};
    asio::steady_timer never{co_await asio::this_coro::executor, asio::steady_timer::time_point::max()};
    asio::error_code woken;
    co_await never.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    by.cancelled = woken == asio::error::operation_aborted;
}

asio::awaitable<int> one_after(asio::steady_timer& timer) {
    asio::error_code woken;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    co_return 1;
}

}  // namespace

TEST_CASE("a started coroutine may outlive its io_context, which destroys what it runs") {
    const bool has_begun = GENERATE(false, true);
    seen by;
    std::optional<test::started<>> left;
    {
        asio::io_context io;
        left.emplace(io.get_executor(), wait_for_ever(by));
        if (has_begun)
            io.poll();
    }
    CHECK(by.destroyed == has_begun);
    // Nothing is there any more that could be cancelled.
    left->cancel();
    CHECK_FALSE(left->ended());
    left.reset();
    CHECK_FALSE(by.cancelled);
}

TEST_CASE("a started coroutine is cancelled with its object, wherever that was moved to") {
    asio::io_context io;
    seen by;
    {
        std::optional<test::started<>> first{std::in_place, io.get_executor(), wait_for_ever(by)};
        const test::started<> last{std::move(*first)};
        io.poll();
        first.reset();
        io.restart();
        io.poll();
        CHECK_FALSE(by.cancelled);
    }
    io.restart();
    io.poll();
    CHECK(by.cancelled);
}

TEST_CASE("a started coroutine can be joined while it runs and after its end, by several") {
    asio::io_context io;
    asio::steady_timer timer{io, asio::steady_timer::time_point::max()};
    test::started<int> one{io.get_executor(), one_after(timer)};
    test::started<int> first{io.get_executor(), one.join()}, second{io.get_executor(), one.join()};
    io.poll();
    CHECK_FALSE(one.ended());
    first.cancel();
    io.restart();
    io.poll();
    REQUIRE(first.ended());
    CHECK_THROWS_AS(first.take(), std::system_error);
    timer.cancel();
    CHECK(test::run_io(io, one.join()) == 1);
    CHECK(test::run_io(io, second.join()) == 1);
}
