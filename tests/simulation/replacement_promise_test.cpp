#include "catch.hpp"
#include "replacement_promise.hpp"

namespace simulation {

namespace {

using namespace std::chrono_literals;

using evercert::wall_time;

constexpr wall_time t0{1'000'000h};
constexpr evercert::duration turn = 10min, margin = turn + replacement_promise::an_order;

/// "a" and "b" wait, and the last of them is ordered in an hour.
struct two_waiting {
    two_waiting() { of.promise({"a", "b"}, t0 + 1h); }
    replacement_promise of{turn};
};

}  // namespace

TEST_CASE("a replacement is late if the last is ordered after the promised end and its margin") {
    two_waiting good, bad;
    CHECK(!good.of.ordered("a", t0));
    CHECK(!good.of.ordered("b", t0 + 1h + margin));
    CHECK(!good.of.is_open());
    CHECK(good.of.checked() == 1);
    CHECK(!bad.of.ordered("b", t0));
    CHECK(bad.of.checked() == 0);
    CHECK(bad.of.ordered("a", t0 + 1h + margin + 1s) == 15min + 1s);
    CHECK(bad.of.checked() == 1);
}

TEST_CASE("a replacement that never ends is late as soon as its margin is over, and once") {
    two_waiting of;
    CHECK(!of.of.ordered("a", t0));
    CHECK(!of.of.overdue(t0 + 1h + margin));
    CHECK(of.of.overdue(t0 + 48h) == 47h);
    CHECK(!of.of.overdue(t0 + 49h));
    CHECK(of.of.checked() == 1);
}

TEST_CASE("each other order puts the promised end off by its turn") {
    two_waiting of;
    CHECK(!of.of.ordered("c", t0));
    CHECK(!of.of.ordered("a", t0));
    CHECK(!of.of.ordered("a", t0 + 10min));
    CHECK(!of.of.overdue(t0 + 1h + margin + 2 * turn));
    CHECK(of.of.ordered("b", t0 + 1h + margin + 2 * turn + 1s));
}

TEST_CASE("what went wrong is nothing that was promised") {
    two_waiting failed, all_failed, restarted;
    failed.of.left("b");
    CHECK(!failed.of.ordered("a", t0 + 1h));
    CHECK(failed.of.checked() == 1);
    all_failed.of.left("a"), all_failed.of.left("b");
    CHECK(!all_failed.of.overdue(t0 + 48h));
    restarted.of.end();
    CHECK(!restarted.of.ordered("a", t0 + 48h));
    CHECK(restarted.of.checked() == 0);
}

}  // namespace simulation
