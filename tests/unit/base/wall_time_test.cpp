#include "base/wall_time.hpp"
#include "catch.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

const wall_time now = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};

}  // namespace

TEST_CASE("times at the ends of what can be held do not overflow") {
    CHECK(plus(now, 1h) == now + 1h);
    CHECK(plus(now, -1h) == now - 1h);
    CHECK(plus(wall_time::max(), 1ns) == wall_time::max());
    CHECK(plus(wall_time::min(), -1ns) == wall_time::min());
    CHECK(plus(now, duration::max()) == wall_time::max());
    CHECK(between(now, now + 1h) == 1h);
    CHECK(between(now + 1h, now) == -1h);
    CHECK(between(wall_time::min(), wall_time::max()) == duration::max());
    CHECK(between(wall_time::max(), wall_time::min()) == duration::min());
}

TEST_CASE("kept times are whole milliseconds, never earlier than they were") {
    CHECK(from_milliseconds(to_milliseconds(now)) == now);
    CHECK(from_milliseconds(to_milliseconds(now + 1ns)) == now + 1ms);
    CHECK(from_milliseconds(to_milliseconds(wall_time{-1500us})) == wall_time{-1ms});
    CHECK(from_milliseconds(std::numeric_limits<std::int64_t>::max()) == wall_time::max());
    CHECK(from_milliseconds(std::numeric_limits<std::int64_t>::min()) == wall_time::min());
}

TEST_CASE("durations are told in their two largest units") {
    CHECK(to_text(0s) == "0 s");
    CHECK(to_text(999ms) == "0 s");
    CHECK(to_text(59s) == "59 s");
    CHECK(to_text(60s) == "1 min");
    CHECK(to_text(61s) == "1 min 1 s");
    CHECK(to_text(3h) == "3 h");
    CHECK(to_text(3h + 10s) == "3 h");
    CHECK(to_text(std::chrono::days{7}) == "7 d");
    CHECK(to_text(std::chrono::days{1} + 5h + 3min) == "1 d 5 h");
    CHECK(to_text(-90min) == "-1 h 30 min");
    CHECK(to_text(-500ms) == "0 s");
    CHECK(to_text(duration::min()).starts_with("-106751 d"));
}
