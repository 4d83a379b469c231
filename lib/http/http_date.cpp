#include "http/http_date.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "http/ascii.hpp"

namespace evercert {

namespace {

constexpr std::array<std::string_view, 7> days = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                  "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// A date by its parts, as they stood in the text.
struct parts {
    std::string_view day_name, day, month, year, time;
};

/// `shape` has 9 for a digit, 8 for a digit or a space, x for a letter, and other characters as themselves.
bool has_shape(std::string_view text, std::string_view shape) noexcept {
    return std::equal(text.begin(), text.end(), shape.begin(), shape.end(), [](char c, char expected) {
        switch (expected) {
        case '9': return is_digit(c);
        case '8': return is_digit(c) || c == ' ';
        case 'x': return is_alpha(c);
        default: return c == expected;
        }
    });
}

std::optional<parts> split(std::string_view text) {
    if (has_shape(text, "xxx, 99 xxx 9999 99:99:99 GMT"))
        return parts{text.substr(0, 3), text.substr(5, 2), text.substr(8, 3), text.substr(12, 4), text.substr(17, 8)};
    if (has_shape(text, "xxx xxx 89 99:99:99 9999"))
        return parts{text.substr(0, 3), text.substr(8, 2), text.substr(4, 3), text.substr(20, 4), text.substr(11, 8)};
    // It has the whole name of the day.
    const auto comma = std::min(text.find(','), text.size());
    const auto rest = text.substr(comma);
    if (comma > 3 && has_shape(rest, ", 99-xxx-99 99:99:99 GMT"))
        return parts{
            text.substr(0, comma), rest.substr(2, 2), rest.substr(5, 3), rest.substr(9, 2), rest.substr(12, 8)};
    return {};
}

int number(std::string_view digits) noexcept {
    int value = 0;
    for (const char c : digits)
        value = value * 10 + (c == ' ' ? 0 : c - '0');
    return value;
}

/// Two digits are of the hundred years that POSIX takes them for: RFC 9110 wants none that is 50 years ahead.
int full_year(std::string_view digits) noexcept {
    const int value = number(digits);
    if (digits.size() == 4)
        return value;
    return value < 69 ? 2000 + value : 1900 + value;
}

}  // namespace

std::string http_date(wall_time when) {
    using namespace std::chrono;
    const auto second = floor<seconds>(when);
    const auto day = floor<std::chrono::days>(second);
    const year_month_day date{day};
    const hh_mm_ss time{second - day};
    return fmt::format(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", days[weekday{day}.c_encoding()].substr(0, 3),
        static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
        static_cast<int>(date.year()), time.hours().count(), time.minutes().count(), time.seconds().count());
}

std::optional<wall_time> parse_http_date(std::string_view text) {
    using namespace std::chrono;
    const auto said = split(text);
    if (!said)
        return {};
    const auto month_name = std::find_if(
        months.begin(), months.end(), [&](std::string_view each) { return equals_ignoring_case(each, said->month); });
    const year_month_day date{
        year{full_year(said->year)}, month{static_cast<unsigned>(month_name - months.begin()) + 1},
        std::chrono::day{static_cast<unsigned>(number(said->day))}};
    const int hour = number(said->time.substr(0, 2));
    const int minute = number(said->time.substr(3, 2));
    const int second = number(said->time.substr(6, 2));
    if (!date.ok() || hour > 23 || minute > 59 || second > 60)
        return {};
    auto day_name = days[weekday{sys_days{date}}.c_encoding()];
    if (said->day_name.size() == 3)
        day_name = day_name.substr(0, 3);
    if (!equals_ignoring_case(day_name, said->day_name))
        return {};
    const sys_seconds time = sys_days{date} + hours{hour} + minutes{minute} + seconds{second};
    constexpr auto first = ceil<seconds>(wall_time::min());
    constexpr auto last = floor<seconds>(wall_time::max());
    return std::clamp(time, first, last);
}

}  // namespace evercert
