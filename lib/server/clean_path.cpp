#include "server/clean_path.hpp"

#include <algorithm>

#include "http/ascii.hpp"

namespace evercert {

namespace {

bool is_dot(std::string_view segment) noexcept { return segment == "." || equals_ignoring_case(segment, "%2e"); }

bool is_dot_dot(std::string_view segment) noexcept {
    return segment == ".." || equals_ignoring_case(segment, "%2e.") || equals_ignoring_case(segment, ".%2e") ||
        equals_ignoring_case(segment, "%2e%2e");
}

int hex_value(char c) noexcept {
    if (is_digit(c))
        return c - '0';
    c = to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

std::string clean_path(std::string_view path) {
    std::string result = "/";
    for (std::size_t begin = path.starts_with('/') ? 1 : 0; begin < path.size();) {
        const auto end = std::min(path.find('/', begin), path.size());
        const auto segment = path.substr(begin, end - begin);
        begin = end + 1;
        if (segment.empty() || is_dot(segment))
            continue;
        if (is_dot_dot(segment)) {
            if (result.size() > 1)
                result.erase(result.rfind('/', result.size() - 2) + 1);
            continue;
        }
        result += segment;
        if (end < path.size())
            result += '/';
    }
    return result;
}

bool is_clean_path(std::string_view path) noexcept {
    if (!path.starts_with('/'))
        return false;
    for (std::size_t begin = 1; begin < path.size();) {
        const auto end = std::min(path.find('/', begin), path.size());
        const auto segment = path.substr(begin, end - begin);
        if (segment.empty() || is_dot(segment) || is_dot_dot(segment))
            return false;
        begin = end + 1;
    }
    return true;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            result += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
        if (high < 0 || low < 0)
            return {};
        result += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return result;
}

}  // namespace evercert
