#include "catch.hpp"
#include "findings.hpp"

namespace simulation {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

wall_time at(minutes since) { return wall_time{} + hours{24 * 365 * 50} + since; }
wall_time at(int since) { return at(minutes{since}); }

}  // namespace

TEST_CASE("findings are counted by check, and the first one is what a simulation fails by") {
    findings all;
    CHECK(!all.first());
    all.add(at(5), check::lost_state, "a");
    all.add(at(6), check::order_rate, "b");
    all.add(at(7), check::lost_state, "c");
    REQUIRE(all.first());
    CHECK(all.first()->at == at(5));
    CHECK(all.first()->by == check::lost_state);
    CHECK(all.count(check::lost_state) == 2);
    CHECK(all.count(check::order_rate) == 1);
    CHECK(all.count(check::expired) == 0);
    REQUIRE(all.texts().size() == 3);
    CHECK(all.texts()[1].starts_with("order_rate: "));
}

TEST_CASE("orders may come as the limiter lets them through, and a little late") {
    order_pace pace{minutes{10}, 2, minutes{5}};
    CHECK_FALSE(pace.order(at(0)));
    CHECK_FALSE(pace.order(at(0)));
    CHECK(pace.order(at(0)));
    CHECK(pace.order(at(4)));
    CHECK_FALSE(pace.order(at(5)));
    CHECK_FALSE(pace.order(at(15)));
    CHECK(pace.order(at(20)));
    CHECK_FALSE(pace.order(at(200)));
}

TEST_CASE("an order before the time that was promised is one too early, until the name is served") {
    promises all{seconds{30}};
    CHECK(!all.order("a", at(0)));
    all.promise("a", at(0), at(60));
    CHECK(all.order("a", at(59)) == at(60));
    CHECK(!all.order("b", at(59)));
    CHECK(!all.order("a", at(60) - seconds{30}));
    all.end("a");
    CHECK(!all.order("a", at(1)));
}

TEST_CASE("what a manager that is killed has just learned may be lost, and no more than that") {
    promises all{seconds{30}};
    all.promise("a", at(0), at(60));
    all.promise("b", at(10), at(60));
    all.killed(at(10));
    CHECK(all.order("a", at(11)));
    CHECK(!all.order("b", at(11)));
    all.forget();
    CHECK(!all.order("a", at(11)));
}

TEST_CASE("a renewal moves with its reason or its certificate, and else not") {
    renewal_times all;
    CHECK(!all.look("a", at(0), "a third is left", at(100)));
    CHECK(!all.look("a", at(0), "a third is left", at(100) + std::chrono::milliseconds{1}));
    CHECK(!all.look("a", at(0), "the CA suggests it", at(80)));
    CHECK(all.look("a", at(0), "a third is left", at(90)) == at(100) + std::chrono::milliseconds{1});
    CHECK(!all.look("a", at(50), "a third is left", at(150)));
    CHECK(!all.look("b", at(50), "a third is left", at(160)));
}

}  // namespace simulation
