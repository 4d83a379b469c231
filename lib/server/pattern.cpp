#include "server/pattern.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <evercert/error.hpp>

#include "http/ascii.hpp"
#include "server/clean_path.hpp"

namespace evercert {

namespace {

using kind = pattern_segment::kind;

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
    throw error{errc::invalid_options, fmt::format("the pattern {} {}", evercert::quoted(text), why)};
}

bool is_name(std::string_view text) noexcept {
    return !text.empty() && !is_digit(text.front()) &&
        std::all_of(text.begin(), text.end(), [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; });
}

pattern_segment parse_segment(std::string_view text, bool last, std::string_view whole) {
    pattern_segment result;
    if (!text.starts_with('{')) {
        if (text.find_first_of("{}") != std::string_view::npos)
            refuse(whole, "has a wildcard that is not a whole segment");
        auto decoded = percent_decode(text);
        if (!decoded)
            refuse(whole, "has a '%' that encodes nothing");
        result.text = std::move(*decoded);
        return result;
    }
    if (!text.ends_with('}'))
        refuse(whole, "has a wildcard that is not a whole segment");
    auto name = text.substr(1, text.size() - 2);
    if (name == "$") {
        if (!last)
            refuse(whole, "has {$} before its end");
        result.what = kind::end;
        return result;
    }
    result.what = kind::single;
    if (name.ends_with("...")) {
        if (!last)
            refuse(whole, "has a wildcard for the rest of the path before its end");
        name.remove_suffix(3);
        result.what = kind::rest;
    }
    if (!is_name(name))
        refuse(whole, "has a wildcard without a name of letters, digits and '_'");
    result.text = name;
    return result;
}

void parse_path(std::string_view path, pattern& into) {
    std::set<std::string_view> names;
    for (std::size_t begin = 1;;) {
        const auto end = std::min(path.find('/', begin), path.size());
        const auto text = path.substr(begin, end - begin);
        const bool last = end == path.size();
        if (text.empty() && last) {
            pattern_segment rest;
            rest.what = kind::rest;
            into.segments.push_back(std::move(rest));
            return;
        }
        into.segments.push_back(parse_segment(text, last, into.text));
        if (last)
            break;
        begin = end + 1;
    }
    for (const auto& each : into.segments)
        if ((each.what == kind::single || each.what == kind::rest) && !names.insert(each.text).second)
            refuse(into.text, fmt::format("has two wildcards {{{}}}", each.text));
}

overlap compare_segments(const pattern_segment& a, const pattern_segment& b) {
    if (a.what == b.what)
        return a.what != kind::literal || a.text == b.text ? overlap::same : overlap::disjoint;
    if (a.what == kind::rest)
        return overlap::more_general;
    if (b.what == kind::rest)
        return overlap::more_specific;
    // No other matches an end.
    if (a.what == kind::end || b.what == kind::end)
        return overlap::disjoint;
    return a.what == kind::single ? overlap::more_general : overlap::more_specific;
}

overlap combine(overlap a, overlap b) {
    if (a == overlap::disjoint || b == overlap::disjoint)
        return overlap::disjoint;
    if (a == overlap::same)
        return b;
    if (b == overlap::same || a == b)
        return a;
    return overlap::partial;
}

overlap compare_methods(const pattern& a, const pattern& b) {
    if (a.method == b.method)
        return overlap::same;
    if (a.method.empty() || (a.method == "GET" && b.method == "HEAD"))
        return overlap::more_general;
    if (b.method.empty() || (b.method == "GET" && a.method == "HEAD"))
        return overlap::more_specific;
    return overlap::disjoint;
}

}  // namespace

pattern parse_pattern(std::string_view text) {
    pattern result;
    result.text = text;
    auto rest = text;
    if (const auto space = rest.find_first_of(" \t"); space != std::string_view::npos) {
        result.method = rest.substr(0, space);
        if (!is_token(result.method))
            refuse(text, "begins with something that is no method");
        rest = trim(rest.substr(space));
    }
    const auto slash = rest.find('/');
    if (slash == std::string_view::npos)
        refuse(text, "has no path: it is \"[METHOD ][HOST]/PATH\"");
    result.host = lower_case(rest.substr(0, slash));
    if (result.host.find_first_of("{}: \t") != std::string::npos)
        refuse(text, "has a host that is no name: no port, no wildcard");
    const auto path = rest.substr(slash);
    if (!is_clean_path(path))
        refuse(text, "never matches: paths have neither empty nor dot segments");
    parse_path(path, result);
    return result;
}

overlap compare_paths(const pattern& a, const pattern& b) {
    auto result = overlap::same;
    const auto common = std::min(a.segments.size(), b.segments.size());
    for (std::size_t i = 0; i < common && result != overlap::disjoint; ++i)
        result = combine(result, compare_segments(a.segments[i], b.segments[i]));
    if (a.segments.size() == b.segments.size() || result == overlap::disjoint)
        return result;
    // The shorter one matches the longer one's paths only if it takes the rest.
    const bool a_is_shorter = a.segments.size() < b.segments.size();
    if (!(a_is_shorter ? a : b).takes_rest())
        return overlap::disjoint;
    return combine(result, a_is_shorter ? overlap::more_general : overlap::more_specific);
}

overlap compare(const pattern& a, const pattern& b) { return combine(compare_methods(a, b), compare_paths(a, b)); }

std::string common_path(const pattern& a, const pattern& b) {
    std::string result;
    for (std::size_t i = 0; i < std::max(a.segments.size(), b.segments.size()); ++i) {
        const auto& one = a.segments[std::min(i, a.segments.size() - 1)];
        const auto& other = b.segments[std::min(i, b.segments.size() - 1)];
        result += '/';
        const auto& said = one.what == kind::literal ? one : other;
        if (said.what == kind::literal)
            result += said.text;
        else if (one.what == kind::single || other.what == kind::single)
            result += one.text.empty() ? other.text : one.text;
    }
    return result;
}

}  // namespace evercert
