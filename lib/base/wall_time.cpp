#include "base/wall_time.hpp"

#include <array>

#include <fmt/format.h>

namespace evercert {
namespace {

constexpr std::int64_t nanoseconds_a_millisecond = 1'000'000;

}  // namespace

wall_time plus(wall_time when, duration length) noexcept {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(std::int64_t{when.time_since_epoch().count()}, std::int64_t{length.count()}, &sum))
        return length < duration{} ? wall_time::min() : wall_time::max();
    return wall_time{duration{sum}};
}

duration between(wall_time from, wall_time to) noexcept {
    std::int64_t length = 0;
    if (__builtin_sub_overflow(
            std::int64_t{to.time_since_epoch().count()}, std::int64_t{from.time_since_epoch().count()}, &length))
        return to < from ? duration::min() : duration::max();
    return duration{length};
}

std::int64_t to_milliseconds(wall_time when) noexcept {
    const std::int64_t count = when.time_since_epoch().count();
    return count / nanoseconds_a_millisecond + (count > 0 && count % nanoseconds_a_millisecond != 0);
}

wall_time from_milliseconds(std::int64_t count) noexcept {
    std::int64_t nanoseconds = 0;
    if (__builtin_mul_overflow(count, nanoseconds_a_millisecond, &nanoseconds))
        return count < 0 ? wall_time::min() : wall_time::max();
    return wall_time{duration{nanoseconds}};
}

std::string to_rfc3339(wall_time time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto day = std::chrono::floor<std::chrono::days>(seconds);
    const std::chrono::year_month_day on{day};
    const std::chrono::hh_mm_ss at{seconds - day};
    return fmt::format(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(on.year()), static_cast<unsigned>(on.month()),
        static_cast<unsigned>(on.day()), at.hours().count(), at.minutes().count(), at.seconds().count());
}

std::string to_text(duration length) {
    struct unit {
        std::int64_t seconds;
        const char* name;
    };
    constexpr std::array<unit, 4> units{unit{86400, "d"}, unit{3600, "h"}, unit{60, "min"}, unit{1, "s"}};
    const std::int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(length).count();
    if (seconds < 0)
        return "-" + to_text(length == duration::min() ? duration::max() : -length);
    for (std::size_t i = 0; i + 1 < units.size(); ++i) {
        if (seconds < units[i].seconds)
            continue;
        const auto rest = seconds % units[i].seconds / units[i + 1].seconds;
        auto text = fmt::format("{} {}", seconds / units[i].seconds, units[i].name);
        return rest == 0 ? text : fmt::format("{} {} {}", text, rest, units[i + 1].name);
    }
    return fmt::format("{} s", seconds);
}

}  // namespace evercert
