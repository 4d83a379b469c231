#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace evercert {

// Protocol text is ASCII: the functions of <cctype> would ask the locale.

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

constexpr char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr bool is_alpha(char c) noexcept { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; }

/// What a byte may be part of, as bits: heads are looked up byte by byte.
enum char_use : unsigned char { in_token = 1, in_field = 2 };
inline constexpr std::array<unsigned char, 256> char_uses = [] {
    std::array<unsigned char, 256> uses{};
    for (int byte = 0; byte < 256; ++byte) {
        const auto c = static_cast<char>(byte);
        auto& use = uses[static_cast<std::size_t>(byte)];
        if (is_alpha(c) || is_digit(c) ||
            (c != '\0' && std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos))
            use |= in_token;
        if (c == '\t' || (byte >= 0x20 && byte != 0x7f))
            use |= in_field;
    }
    return uses;
}();

constexpr bool has_use(char c, char_use use) noexcept { return (char_uses[static_cast<unsigned char>(c)] & use) != 0; }

/// RFC 9110, section 5.6.2: what methods and field names are made of.
constexpr bool is_token_char(char c) noexcept { return has_use(c, in_token); }

constexpr bool is_token(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

/// A byte that may stand in a field value: RFC 9110, section 5.5.
constexpr bool is_field_char(char c) noexcept { return has_use(c, in_field); }

constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() &&
        std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return to_lower(x) == to_lower(y); });
}

inline std::string lower_case(std::string_view text) {
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(), to_lower);
    return result;
}

/// Without spaces and tabs at both ends.
constexpr std::string_view trim(std::string_view text) noexcept {
    constexpr std::string_view blank = " \t";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

}  // namespace evercert
