#include <ostream>

#include "accounting.hpp"
#include "catch.hpp"

namespace simulation {

bool operator==(const span& a, const span& b) { return a.begin == b.begin && a.end == b.end; }
std::ostream& operator<<(std::ostream& out, const span& one) {
    const auto hours = [](wall_time at) { return at.time_since_epoch() / std::chrono::hours{1}; };
    return out << '[' << hours(one.begin) << ',' << hours(one.end) << ')';
}

namespace {

using std::chrono::hours;
using spans = std::vector<span>;

wall_time at(int hour) { return wall_time{hours{hour}}; }
span from_to(int begin, int end) { return {at(begin), at(end)}; }

/// The first certificate may take 10 hours.
struct one_name {
    one_name() { account.add_name("a"); }
    accounting account{at(0), hours{10}};
};

}  // namespace

TEST_CASE("spans that overlap or touch are merged, in order") {
    CHECK(merged({}).empty());
    CHECK(merged({from_to(5, 6), from_to(1, 2)}) == spans{from_to(1, 2), from_to(5, 6)});
    CHECK(merged({from_to(1, 3), from_to(2, 5), from_to(5, 6)}) == spans{from_to(1, 6)});
    CHECK(merged({from_to(1, 9), from_to(2, 3), from_to(8, 10)}) == spans{from_to(1, 10)});
}

TEST_CASE("uncovered is what is left of a span") {
    CHECK(uncovered(from_to(0, 10), {}) == hours{10});
    CHECK(uncovered(from_to(0, 10), {from_to(2, 3), from_to(5, 7)}) == hours{7});
    CHECK(uncovered(from_to(4, 10), {from_to(0, 1), from_to(2, 5), from_to(9, 20)}) == hours{4});
    CHECK(uncovered(from_to(4, 10), {from_to(0, 4), from_to(10, 20)}) == hours{6});
    CHECK(uncovered(from_to(4, 10), {from_to(0, 20)}) == hours{0});
    CHECK(uncovered(from_to(4, 4), {}) == hours{0});
    CHECK(uncovered(from_to(5, 4), {from_to(0, 20)}) == hours{0});
}

TEST_CASE("a name that always has a valid certificate costs nothing") {
    one_name of;
    of.account.published("a", at(0), at(100));
    of.account.published("a", at(60), at(160));
    const auto result = of.account.at(at(150));
    CHECK(result.expired == hours{0});
    CHECK(result.unexcused == hours{0});
    CHECK(result.worst.empty());
    CHECK(!result.first);
}

TEST_CASE("the first certificate may take as long as recovery does, and no longer") {
    one_name of;
    of.account.published("a", at(10), at(100));
    auto result = of.account.at(at(50));
    CHECK(result.expired == hours{10});
    CHECK(result.unexcused == hours{0});

    one_name late;
    late.account.published("a", at(13), at(100));
    result = late.account.at(at(50));
    CHECK(result.expired == hours{13});
    CHECK(result.unexcused == hours{3});
    CHECK(result.worst == "a");
}

TEST_CASE("a name that is never published is unexcused when recovery is over") {
    one_name of;
    CHECK(of.account.at(at(10)).unexcused == hours{0});
    const auto result = of.account.at(at(50));
    CHECK(result.expired == hours{50});
    CHECK(result.unexcused == hours{40});
    CHECK(result.worst == "a");
    CHECK(result.first == at(0));
}

TEST_CASE("an expired certificate without a trouble is unexcused, also when another one came since") {
    one_name of;
    of.account.published("a", at(0), at(100));
    CHECK(of.account.at(at(100)).unexcused == hours{0});
    CHECK(of.account.at(at(103)).unexcused == hours{3});
    of.account.published("a", at(105), at(200));
    const auto result = of.account.at(at(150));
    CHECK(result.expired == hours{5});
    CHECK(result.unexcused == hours{5});
    CHECK(result.first == at(100));
}

TEST_CASE("a trouble excuses while it lasts and for the recovery after it") {
    one_name of;
    of.account.published("a", at(0), at(100));
    of.account.trouble_begins(at(90));
    CHECK(of.account.at(at(150)).expired == hours{50});
    CHECK(of.account.at(at(150)).unexcused == hours{0});
    of.account.trouble_ends(at(200), hours{10});
    CHECK(of.account.at(at(210)).unexcused == hours{0});
    CHECK(of.account.at(at(213)).unexcused == hours{3});
    of.account.published("a", at(210), at(300));
    CHECK(of.account.at(at(250)).unexcused == hours{0});
}

TEST_CASE("what expired before the trouble began has no excuse until then") {
    one_name of;
    of.account.published("a", at(0), at(100));
    of.account.trouble_begins(at(104));
    of.account.trouble_ends(at(120), hours{10});
    of.account.published("a", at(125), at(300));
    const auto result = of.account.at(at(200));
    CHECK(result.expired == hours{25});
    CHECK(result.unexcused == hours{4});
}

TEST_CASE("troubles that overlap are one, which ends with the last of them") {
    one_name of;
    of.account.published("a", at(0), at(100));
    of.account.trouble_begins(at(90));
    of.account.trouble_begins(at(95));
    of.account.trouble_ends(at(110), hours{10});
    CHECK(of.account.at(at(150)).unexcused == hours{0});
    of.account.trouble_ends(at(150), hours{10});
    CHECK(of.account.at(at(160)).unexcused == hours{0});
    CHECK(of.account.at(at(161)).unexcused == hours{1});
}

TEST_CASE("a trouble within the recovery of another one lengthens the excuse, once") {
    one_name of;
    of.account.published("a", at(0), at(100));
    of.account.trouble_begins(at(90));
    of.account.trouble_ends(at(100), hours{10});
    of.account.trouble_begins(at(105));
    of.account.trouble_ends(at(115), hours{10});
    of.account.published("a", at(130), at(300));
    CHECK(of.account.at(at(200)).unexcused == hours{5});
}

TEST_CASE("each trouble excuses as long as recovery from it may take, and ends no other's excuse") {
    one_name of;
    of.account.published("a", at(0), at(100));
    of.account.trouble_begins(at(90));
    of.account.trouble_begins(at(95));
    of.account.trouble_ends(at(100), hours{40});
    of.account.trouble_ends(at(105), hours{5});
    CHECK(of.account.at(at(140)).unexcused == hours{0});
    CHECK(of.account.at(at(142)).unexcused == hours{2});
    of.account.trouble_begins(at(150));
    of.account.trouble_ends(at(151), hours{5});
    CHECK(of.account.at(at(156)).unexcused == hours{10});
    CHECK(of.account.at(at(160)).unexcused == hours{14});
}

TEST_CASE("a name that comes later counts from then on, like any other") {
    one_name of;
    of.account.published("a", at(0), at(1000));
    of.account.add_name("b", at(50));
    of.account.published("b", at(50), at(100));
    CHECK(of.account.at(at(100)).expired == hours{0});
    of.account.add_name("b", at(103));
    CHECK(of.account.at(at(103)).unexcused == hours{3});
    CHECK(of.account.at(at(103)).worst == "b");
}

TEST_CASE("names are added up, and the worst and the first are told") {
    accounting account{at(0), hours{10}};
    for (const auto* name : {"a", "b", "c"}) {
        account.add_name(name);
        account.published(name, at(0), at(100));
    }
    account.published("a", at(102), at(400));
    account.published("b", at(50), at(200));
    account.published("b", at(207), at(400));
    account.published("c", at(90), at(400));
    const auto result = account.at(at(300));
    CHECK(result.expired == hours{9});
    CHECK(result.unexcused == hours{9});
    CHECK(result.worst == "b");
    CHECK(result.first == at(100));
}

TEST_CASE("a certificate that is published when it has expired counts from then") {
    one_name of;
    of.account.published("a", at(0), at(100));
    of.account.published("a", at(50), at(20));
    CHECK(of.account.at(at(60)).expired == hours{10});
    of.account.published("a", at(70), at(200));
    CHECK(of.account.at(at(100)).expired == hours{20});
    CHECK(of.account.at(at(100)).unexcused == hours{20});
}

}  // namespace simulation
