#include "catch.hpp"
#include "renewal/replacement_plan.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using std::chrono::days;

namespace {

using pressure = replacement_rank::pressure;

const wall_time t0 = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};

replacement_queue make_queue(int count, replacement_rank rank) {
    replacement_queue queue;
    for (int i = 0; i < count; ++i)
        queue.put("key" + std::to_string(i), rank);
    return queue;
}

/// One a minute, with 20 that are left of a burst.
const order_pace ours{"orders", -19min, 1min};
/// 300 in 3 hours, and all are used up.
const order_pace the_cas{"ca_limits::orders", 36s, 36s};

}  // namespace

TEST_CASE("a burst goes at once, then one an interval") {
    CHECK(ours.wait(0) == 0s);
    CHECK(ours.wait(1) == 0s);
    CHECK(ours.wait(20) == 0s);
    CHECK(ours.wait(21) == 1min);
    CHECK(ours.wait(1020) == 1000min);
    CHECK(the_cas.wait(1) == 36s);
    CHECK(the_cas.wait(1000) == 36000s);
    // Without a limit, and with what no plan lasts for.
    CHECK(order_pace{"orders", {}, {}}.wait(1'000'000) == 0s);
    CHECK(order_pace{"orders", 0s, days{3650}}.wait(SIZE_MAX) == days{3660});
}

TEST_CASE("a plan says under which limit, and when the last is done") {
    const auto plan = plan_replacement(make_queue(1020, {pressure::overdue, {}, 0, true}), {{ours}, {}}, t0);
    CHECK(plan.limit == "orders");
    CHECK(plan.interval == 1min);
    CHECK(plan.done_at == t0 + 1000min);
    CHECK(plan.late == 1020);
    CHECK_FALSE(plan.first);
}

TEST_CASE("the slower of our limit and the CA's binds, and the CA's only those that count") {
    const order_pace fast{"orders", -19min, 10s};
    const auto counted = plan_replacement(make_queue(1000, {pressure::overdue, {}, 0, true}), {{fast}, the_cas}, t0);
    CHECK(counted.limit == "ca_limits::orders");
    CHECK(counted.done_at == t0 + 10h);
    const auto free = plan_replacement(make_queue(1000, {pressure::overdue, {}, 0, false}), {{fast}, the_cas}, t0);
    CHECK(free.limit == "orders");
    CHECK(free.done_at == t0 - 19min + 9990s);
}

TEST_CASE("those are late whose turn comes after their deadline") {
    replacement_queue queue;
    for (int i = 0; i < 100; ++i)
        queue.put("key" + std::to_string(i), {pressure::in_time, t0 + 30min + i * 1s});
    // 20 at once, and one a minute until 30 minutes have passed.
    const auto plan = plan_replacement(queue, {{ours}, {}}, t0);
    CHECK(plan.late == 50);
    CHECK(plan.first == t0 + 30min);
    queue.put("a", {pressure::ending, t0 + 10min});
    queue.put("b", {pressure::overdue, {}});
    const auto more = plan_replacement(queue, {{ours}, {}}, t0);
    CHECK(more.late == 53);
    CHECK(more.first == t0 + 10min);
}

TEST_CASE("nothing waits: the plan is done now") {
    const auto plan = plan_replacement({}, {{ours}, the_cas}, t0);
    CHECK(plan.done_at == t0);
    CHECK(plan.late == 0);
}
