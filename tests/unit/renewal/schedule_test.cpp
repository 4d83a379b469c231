#include <set>

#include "catch.hpp"
#include "renewal/renewal_queue.hpp"
#include "renewal/schedule.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::hours;

namespace {

const wall_time issued = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};

duration renewed_after(duration lifetime, double draw = 0) {
    return renewal_time(issued, issued + lifetime, draw) - issued;
}

}  // namespace

TEST_CASE("a certificate is renewed when a third of its lifetime is left, a short one at half") {
    CHECK(renewed_after(days{90}) == days{60});
    CHECK(renewed_after(days{45}) == days{30});
    CHECK(renewed_after(days{6}) == days{3});
    CHECK(renewed_after(hours{1}) == 30min);
    CHECK(renewed_after(days{10}) == days{5});
}

TEST_CASE("the draw brings a renewal forward by up to a fiftieth of the lifetime") {
    CHECK(renewed_after(days{90}, 0.5) == days{60} - duration{days{90}} / 100);
    CHECK(renewed_after(days{90}, 1.0) == days{60} - duration{days{90}} / 50);
    CHECK(renewed_after(days{90}, 7) == renewed_after(days{90}, 1));
    CHECK(renewed_after(days{90}, -7) == renewed_after(days{90}, 0));
}

TEST_CASE("a certificate with impossible dates is renewed at once") {
    CHECK(renewal_time(issued, issued - days{1}, 0.5) <= issued);
}

TEST_CASE("the CA is asked again when it wants at the earliest, an eighth later at the latest, at moments that others "
          "are asked at") {
    const auto wait = GENERATE(1s, 7min, 8min, 59min, 6h, 24h, 240h);
    const auto phase = GENERATE(0.0, 0.3, 0.999);
    CAPTURE(wait, phase);
    std::set<wall_time> moments;
    constexpr int asked = 200;
    for (int i = 0; i < asked; ++i) {
        const auto now = issued + duration{wait} * i / asked;
        const auto when = poll_moment(now, wait, phase);
        CHECK(when >= now + wait);
        CHECK(when <= now + wait + duration{wait} / 8);
        moments.insert(when);
    }
    if (wait < 8min)
        CHECK(moments.size() == asked);
    else
        CHECK(moments.size() <= 17 + static_cast<std::size_t>(wait / 64min));
}

TEST_CASE("a manager's phase moves its polls, and those of other waits with them") {
    const auto now = issued + 12345s;
    CHECK(poll_moment(now, 6h, 0.1) != poll_moment(now, 6h, 0.4));
    std::set<wall_time> frequent;
    for (auto asked = now; asked < now + 24h; asked += 1min)
        frequent.insert(poll_moment(asked, 1h, 0.6));
    for (auto asked = now; asked < now + 20h; asked += 1h)
        CHECK(frequent.contains(poll_moment(asked - 5h, 6h, 0.6)));
    // Whatever the draw and the clock.
    CHECK(poll_moment(wall_time{}, 24h, 1.0) >= wall_time{} + 24h);
    CHECK(poll_moment(wall_time{} - 100h, 24h, 0.5) >= wall_time{} - 76h);
    CHECK(poll_moment(wall_time::max() - 1h, 24h, 0.5) >= wall_time::max() - 1h);
}

TEST_CASE("the renewal queue gives the earliest first and plans anew without leaving the old plan behind") {
    constexpr auto acts = renewal_queue::list::acts;
    renewal_queue queue;
    CHECK_FALSE(queue.next(acts));
    queue.plan("a", acts, issued + 3h);
    queue.plan("b", acts, issued + 2h);
    CHECK(queue.next(acts)->key == "b");
    queue.plan("b", acts, issued + 4h);
    CHECK(queue.next(acts)->key == "a");
    CHECK(queue.next(acts)->when == issued + 3h);
    queue.forget("a");
    queue.forget("a");
    CHECK(queue.next(acts)->key == "b");
    queue.clear();
    CHECK_FALSE(queue.next(acts));
}

TEST_CASE("a certificate is in both lists of the renewal queue at times of its own, and leaves one or both") {
    constexpr auto acts = renewal_queue::list::acts, polls = renewal_queue::list::polls;
    renewal_queue queue;
    queue.plan("a", acts, issued + 3h);
    queue.plan("a", polls, issued + 1h);
    queue.plan("b", polls, issued + 2h);
    CHECK(queue.next(acts)->when == issued + 3h);
    CHECK(queue.next(polls)->when == issued + 1h);
    queue.plan("a", polls, issued + 5h);
    CHECK(queue.next(polls)->key == "b");
    CHECK(queue.next(acts)->when == issued + 3h);
    queue.forget("b", acts);
    queue.forget("b", polls);
    queue.forget("b", polls);
    CHECK(queue.next(polls)->key == "a");
    queue.forget("a", polls);
    CHECK_FALSE(queue.next(polls));
    CHECK(queue.next(acts)->key == "a");
    queue.plan("a", polls, issued + 1h);
    queue.forget("a");
    CHECK_FALSE(queue.next(acts));
    CHECK_FALSE(queue.next(polls));
}

TEST_CASE("the renewal queue gives thousands in order, whatever came and went in between") {
    constexpr auto acts = renewal_queue::list::acts, polls = renewal_queue::list::polls;
    renewal_queue queue;
    for (int i = 0; i < 5'000; ++i) {
        queue.plan(std::to_string(i), acts, issued + std::chrono::seconds{i * 7919 % 5'003});
        queue.plan(std::to_string(i), polls, issued + std::chrono::seconds{i * 104'729 % 5'003});
    }
    for (int i = 0; i < 5'000; i += 3)
        queue.forget(std::to_string(i));
    for (int i = 0; i < 5'000; i += 7)
        queue.plan(std::to_string(i), acts, issued + std::chrono::seconds{i});
    const auto by = issued + 1'000s;
    const auto listed = queue.due(acts, by);
    std::set<std::string> due{listed.begin(), listed.end()};
    CHECK(due.size() == listed.size());
    CHECK(due.size() > 500);
    int given = 0;
    for (auto last = wall_time::min(); const auto next = queue.next(acts); ++given) {
        REQUIRE(next->when >= last);
        last = next->when;
        REQUIRE(due.erase(next->key) == (next->when <= by ? 1 : 0));
        queue.forget(next->key);
    }
    CHECK(queue.due(acts, wall_time::max()).empty());
    // 3,333 were left, and every third of the 715 had been forgotten.
    CHECK(given == 3'333 + 239);
    CHECK_FALSE(queue.next(polls));
}
