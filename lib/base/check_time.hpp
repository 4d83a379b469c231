#pragma once

#include <chrono>
#include <string_view>

#include <fmt/format.h>

#include <evercert/error.hpp>

namespace evercert {

// The clock's own count of nanoseconds ends after 292 years: sums of some of these stay far below it.
inline constexpr std::chrono::days option_time_max{3650};

/// Throws `errc::invalid_options` for a time of an options struct that is below 0 or longer than `option_time_max`. `name`
/// is all of its name, such as "server_options::head_timeout".
template <class Rep, class Period>
void check_time_or_zero(std::chrono::duration<Rep, Period> time, std::string_view name) {
    if (time < time.zero())
        throw error{errc::invalid_options, fmt::format("{} must not be negative", name)};
    if (time > option_time_max)
        throw error{
            errc::invalid_options,
            fmt::format("{} must be at most {} days, which nobody waits for", name, option_time_max.count())};
}

/// For a time that 0 means nothing for.
template <class Rep, class Period>
void check_time(std::chrono::duration<Rep, Period> time, std::string_view name) {
    if (time == time.zero())
        throw error{errc::invalid_options, fmt::format("{} must be above 0", name)};
    check_time_or_zero(time, name);
}

}  // namespace evercert
