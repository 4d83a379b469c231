#include "acme/poll.hpp"
#include "catch.hpp"

using namespace evercert;
using namespace std::chrono_literals;

TEST_CASE("the first poll is at once, then waits grow by half up to their bound") {
    acme::poll_bounds bounds{100ms, 500ms, 5min};
    CHECK(acme::poll_wait(0, {}, bounds) == 0ms);
    CHECK(acme::poll_wait(1, {}, bounds) == 100ms);
    CHECK(acme::poll_wait(2, {}, bounds) == 150ms);
    CHECK(acme::poll_wait(3, {}, bounds) == 225ms);
    CHECK(acme::poll_wait(5, {}, bounds) == 500ms);
    CHECK(acme::poll_wait(1'000'000, {}, bounds) == 500ms);
}

TEST_CASE("a Retry-After is obeyed within its bounds instead") {
    acme::poll_bounds bounds{100ms, 500ms, 5min};
    CHECK(acme::poll_wait(0, 3s, bounds) == 0ms);
    CHECK(acme::poll_wait(1, 3s, bounds) == 3s);
    CHECK(acme::poll_wait(7, 3s, bounds) == 3s);
    CHECK(acme::poll_wait(1, 0s, bounds) == 100ms);
    CHECK(acme::poll_wait(1, 1h, bounds) == 5min);
}
