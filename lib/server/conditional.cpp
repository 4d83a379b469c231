#include "server/conditional.hpp"

#include <algorithm>
#include <charconv>

#include "http/ascii.hpp"
#include "http/http_date.hpp"

namespace evercert {

namespace {

/// Section 8.8.3.2. A weak tag equals ours only in the weak comparison.
bool lists(std::string_view tags, std::string_view etag, bool weakly) {
    if (trim(tags) == "*")
        return true;
    while (!tags.empty()) {
        // A comma may stand inside of a tag.
        const auto begin = tags.find_first_not_of(" \t,");
        if (begin == std::string_view::npos)
            return false;
        tags.remove_prefix(begin);
        const bool weak = tags.starts_with("W/");
        if (weak)
            tags.remove_prefix(2);
        const auto end = tags.starts_with('"') ? tags.find('"', 1) : std::string_view::npos;
        if (end == std::string_view::npos)
            return false;
        if (tags.substr(0, end + 1) == etag && (weakly || !weak))
            return true;
        tags.remove_prefix(end + 1);
    }
    return false;
}

bool any_lists(const fields& asked, std::string_view name, std::string_view etag, bool weakly) {
    for (const auto& [key, value] : asked)
        if (equals_ignoring_case(key, name) && lists(value, etag, weakly))
            return true;
    return false;
}

/// In the seconds that a date has.
std::chrono::sys_seconds second_of(wall_time when) { return std::chrono::floor<std::chrono::seconds>(when); }

std::optional<std::chrono::sys_seconds> date_of(std::string_view text) {
    const auto when = parse_http_date(text);
    if (!when)
        return {};
    return second_of(*when);
}

std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t value = 0;
    const auto end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (parsed.ptr != end || text.empty())
        return {};
    // A number that is too large is behind every end.
    return parsed.ec == std::errc::result_out_of_range ? UINT64_MAX : value;
}

/// Section 13.1.5: a part only of what the client has the other parts of.
bool is_same(std::string_view if_range, const validators& current) {
    if (if_range.starts_with('"'))
        return if_range == current.etag;
    return date_of(if_range) == second_of(current.modified);
}

}  // namespace

condition evaluate_conditions(const fields& asked, const validators& current) {
    if (asked.has("If-Match")) {
        if (!any_lists(asked, "If-Match", current.etag, false))
            return condition::failed;
    } else if (const auto since = date_of(asked.get("If-Unmodified-Since"))) {
        if (second_of(current.modified) > *since)
            return condition::failed;
    }
    if (asked.has("If-None-Match")) {
        if (any_lists(asked, "If-None-Match", current.etag, true))
            return condition::not_modified;
    } else if (const auto since = date_of(asked.get("If-Modified-Since"))) {
        if (second_of(current.modified) <= *since)
            return condition::not_modified;
    }
    return condition::fulfilled;
}

range_answer choose_range(const fields& asked, const validators& current, std::uint64_t size, byte_range& into) {
    auto text = asked.get("Range");
    constexpr std::string_view unit = "bytes=";
    if (!equals_ignoring_case(text.substr(0, unit.size()), unit) || asked.all("Range").size() > 1)
        return range_answer::whole;
    if (asked.has("If-Range") && !is_same(asked.get("If-Range"), current))
        return range_answer::whole;
    text = trim(text.substr(unit.size()));
    const auto dash = text.find('-');
    if (dash == std::string_view::npos || text.find(',') != std::string_view::npos)
        return range_answer::whole;
    const auto first = number_of(text.substr(0, dash));
    const auto last = number_of(text.substr(dash + 1));
    if ((dash > 0 && !first) || (dash + 1 < text.size() && !last) || (!first && !last) ||
        (first && last && *last < *first))
        return range_answer::whole;
    if (first) {
        if (*first >= size)
            return range_answer::unsatisfiable;
        into.first = *first;
        into.size = last ? std::min(*last, size - 1) - *first + 1 : size - *first;
        return range_answer::part;
    }
    if (*last == 0 || size == 0)
        return range_answer::unsatisfiable;
    into.size = std::min(*last, size);
    into.first = size - into.size;
    return range_answer::part;
}

}  // namespace evercert
