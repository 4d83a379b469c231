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

TEST_CASE("the renewal queue gives the earliest first and plans anew without leaving the old plan behind") {
    renewal_queue queue;
    CHECK_FALSE(queue.next());
    queue.plan("a", issued + 3h);
    queue.plan("b", issued + 2h);
    CHECK(queue.next()->key == "b");
    queue.plan("b", issued + 4h);
    CHECK(queue.next()->key == "a");
    CHECK(queue.next()->when == issued + 3h);
    queue.forget("a");
    queue.forget("a");
    CHECK(queue.next()->key == "b");
    queue.clear();
    CHECK_FALSE(queue.next());
}
