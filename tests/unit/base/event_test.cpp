#include <memory>
#include <vector>

#include "base/event.hpp"
#include "catch.hpp"
#include "descriptors.hpp"
#include "run.hpp"

using namespace evercert;

namespace {

asio::awaitable<void> wait_and_note(event& changed, int number, std::vector<int>& woken) {
    co_await changed.wait();
    woken.push_back(number);
}

struct owner {
    explicit owner(asio::any_io_executor executor) : changed{std::move(executor)} {}
    event changed;
};

asio::awaitable<void> wait_with(std::shared_ptr<owner> of) { co_await of->changed.wait(); }

/// As `io.run()`, which would not return before what waits is woken.
void settle(asio::io_context& io) {
    io.restart();
    while (io.poll() > 0)
        io.restart();
}

}  // namespace

TEST_CASE("a notification of one wakes who has waited longest, one of all wakes everybody, and none is kept") {
    asio::io_context io;
    event changed{io.get_executor()};
    std::vector<int> woken;
    changed.notify_one();
    changed.notify_all();
    test::started<> first{io.get_executor(), wait_and_note(changed, 1, woken)};
    test::started<> second{io.get_executor(), wait_and_note(changed, 2, woken)};
    test::started<> third{io.get_executor(), wait_and_note(changed, 3, woken)};
    settle(io);
    CHECK(woken.empty());
    changed.notify_one();
    settle(io);
    CHECK(woken == std::vector{1});
    changed.notify_all();
    settle(io);
    CHECK(woken == std::vector{1, 2, 3});
    test::started<> fourth{io.get_executor(), wait_and_note(changed, 4, woken)};
    settle(io);
    CHECK(woken.size() == 3);
    changed.notify_one();
    settle(io);
    CHECK(woken.back() == 4);
}

TEST_CASE("who is cancelled leaves with operation_aborted, and the next notification is the others'") {
    asio::io_context io;
    event changed{io.get_executor()};
    std::vector<int> woken;
    test::started<> first{io.get_executor(), wait_and_note(changed, 1, woken)};
    test::started<> second{io.get_executor(), wait_and_note(changed, 2, woken)};
    settle(io);
    first.cancel();
    settle(io);
    REQUIRE(first.ended());
    CHECK(test::run_io(io, test::failure_of(first.join())) == asio::error::operation_aborted);
    changed.notify_one();
    settle(io);
    CHECK(woken == std::vector{2});
}

TEST_CASE("a waiter goes with its io_context, also one that keeps the event alive") {
    std::weak_ptr<owner> left;
    {
        asio::io_context io;
        auto made = std::make_shared<owner>(io.get_executor());
        left = made;
        asio::co_spawn(io, wait_with(std::move(made)), [](std::exception_ptr) {});
        settle(io);
        REQUIRE_FALSE(left.expired());
    }
    CHECK(left.expired());
}

TEST_CASE("an io_context that has nothing but events opens no descriptor") {
    const auto before = test::open_descriptors();
    asio::io_context io;
    event changed{io.get_executor()};
    std::vector<int> woken;
    asio::co_spawn(io, wait_and_note(changed, 1, woken), [](std::exception_ptr) {});
    settle(io);
    CHECK(test::open_descriptors() == before);
    changed.notify_all();
    settle(io);
    CHECK(woken.size() == 1);
}
