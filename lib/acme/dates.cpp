#include "acme/dates.hpp"

#include <algorithm>
#include <locale>
#include <sstream>
#include <string>

#include <date/date.h>

namespace evercert::acme {
namespace {

/// With an offset and more digits than a clock has.
constexpr std::size_t date_size_max = 64;

wall_time clamp(date::sys_seconds time) {
    constexpr auto first = std::chrono::ceil<std::chrono::seconds>(wall_time::min());
    constexpr auto last = std::chrono::floor<std::chrono::seconds>(wall_time::max());
    return std::clamp(std::chrono::sys_seconds{time.time_since_epoch()}, first, last);
}

std::optional<date::sys_seconds> parse(std::string_view text, const char* format) {
    std::istringstream stream{std::string{text}};
    stream.imbue(std::locale::classic());
    date::sys_seconds time;
    date::from_stream(stream, format, time);
    if (stream.fail() || stream.peek() != std::istringstream::traits_type::eof())
        return {};
    return time;
}

bool fits(char c, char shape) {
    bool is_digit = c >= '0' && c <= '9';
    switch (shape) {
    case '9': return is_digit;
    default: return c == shape;
    }
}

/// `shape` has 9 for a digit, and other characters as themselves. The date library
/// computes with numbers that are not there, so it gets nothing else.
bool has_shape(std::string_view text, std::string_view shape) {
    return std::equal(text.begin(), text.end(), shape.begin(), shape.end(), fits);
}

/// "Z" or "+01:00"; nothing for anything else.
std::optional<std::chrono::minutes> parse_offset(std::string_view text) {
    if (text == "Z" || text == "z")
        return std::chrono::minutes{0};
    if (!has_shape(text, "+99:99") && !has_shape(text, "-99:99"))
        return {};
    auto number = [&](std::size_t at) { return (text[at] - '0') * 10 + text[at + 1] - '0'; };
    if (number(1) > 23 || number(4) > 59)
        return {};
    auto offset = std::chrono::minutes{number(1) * 60 + number(4)};
    return text[0] == '-' ? -offset : offset;
}

/// Takes ".123" off the front of `rest`; false for a dot without digits.
bool take_fraction(std::string_view& rest, std::chrono::nanoseconds& fraction) {
    if (!rest.starts_with('.'))
        return true;
    auto digits = std::min(rest.find_first_not_of("0123456789", 1), rest.size()) - 1;
    std::int64_t unit = 100'000'000;
    for (auto digit : rest.substr(1, digits)) {
        fraction += std::chrono::nanoseconds{(digit - '0') * unit};
        unit /= 10;
    }
    rest.remove_prefix(1 + digits);
    return digits > 0;
}

}  // namespace

std::optional<wall_time> parse_rfc3339(std::string_view text) {
    constexpr std::string_view shape = "9999-99-99T99:99:99";
    if (text.size() > date_size_max || text.size() <= shape.size())
        return {};
    std::string front{text.substr(0, shape.size())};
    if (front[10] == 't')
        front[10] = 'T';
    // A leap second is the second after; the date library has none.
    std::chrono::seconds leap{0};
    if (front.ends_with(":60")) {
        front.replace(17, 2, "59");
        leap = std::chrono::seconds{1};
    }
    auto rest = text.substr(shape.size());
    std::chrono::nanoseconds fraction{0};
    if (!has_shape(front, shape) || !take_fraction(rest, fraction))
        return {};
    auto local = parse(front, "%Y-%m-%dT%H:%M:%S");
    auto offset = parse_offset(rest);
    if (!local || !offset)
        return {};
    auto time = clamp(*local - *offset + leap);
    return time > wall_time::max() - fraction ? wall_time::max() : time + fraction;
}

}  // namespace evercert::acme
