#pragma once

#include <cstdint>
#include <string>

#include <evercert/clock.hpp>

namespace evercert {

// Dates from outside reach to the ends of what `wall_time` can hold (the years 1677 to 2262): these stop there instead of
// overflowing.
wall_time plus(wall_time, duration) noexcept;
/// From the first to the second.
duration between(wall_time, wall_time) noexcept;

/// For state that is kept: whole milliseconds, rounded up.
std::int64_t to_milliseconds(wall_time) noexcept;
wall_time from_milliseconds(std::int64_t) noexcept;

/// RFC 3339, section 5.6, in UTC and whole seconds, rounded down: "2026-01-31T12:00:00Z".
std::string to_rfc3339(wall_time);

/// For texts, in its two largest units: "3 d 4 h", "12 min", "7 s", "0 s".
std::string to_text(duration);

}  // namespace evercert
