#include "http/http1_head.hpp"

#include <algorithm>

#include "http/ascii.hpp"

namespace evercert {

// --- the scanner

void http1_head_scanner::scan(std::string_view input) {
    while (!complete_ && !failure_ && scan_line(input)) {
    }
}

// False if there is no whole line, or a bad one.
bool http1_head_scanner::scan_line(std::string_view input) {
    if (at_ == line_ && at_ < input.size() && (input[at_] == ' ' || input[at_] == '\t'))
        return refuse("a line that begins with white space (RFC 9112, sections 2.2 and 5.2)");
    auto bound = begin_ + head_max_;
    if (!first_line_)
        bound = std::min(bound, line_ + field_max_);
    const auto end = std::min(input.size(), bound);
    while (at_ < end && is_field_char(input[at_]))
        ++at_;
    if (at_ == input.size())
        return false;
    switch (input[at_]) {
    case '\r':
        if (at_ + 2 > begin_ + head_max_)
            break;
        if (at_ + 1 == input.size())
            return false;
        if (input[at_ + 1] != '\n')
            return refuse("a CR without LF (RFC 9112, section 2.2)");
        return end_line();
    case '\n': return refuse("a LF without CR (RFC 9112, section 2.2)");
    default:
        if (!is_field_char(input[at_]))
            return refuse("a control character (RFC 9110, section 5.5)");
    }
    // RFC 9112, section 3: a request line that is too long is not the fields' fault.
    if (first_line_)
        return refuse("the first line is longer than the bound (RFC 9112, section 3)", 414);
    return refuse("the fields are longer than the bound (RFC 6585, section 5)", 431);
}

bool http1_head_scanner::end_line() {
    const bool empty = at_ == line_;
    // RFC 9112, section 2.2: some clients send an empty line after a body. One is let pass.
    if (empty && first_line_ && begin_ > 0)
        return refuse("empty lines instead of a message (RFC 9112, section 2.2)");
    at_ += 2;
    line_ = at_;
    if (!empty)
        first_line_ = false;
    else if (first_line_)
        begin_ = at_;
    else
        complete_ = true;
    return true;
}

// --- the parser

namespace {

// RFC 9110, section 15.6.6 has a status for versions that are one.
bool is_http_version(std::string_view text) noexcept {
    return text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' && is_digit(text[7]);
}

bool is_version_1(std::string_view text) noexcept { return text == "HTTP/1.1" || text == "HTTP/1.0"; }

int version_number(std::string_view text) noexcept { return text.back() == '1' ? 11 : 10; }

std::optional<http1_failure> parse_request_line(std::string_view line, http1_head& into) {
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == std::string_view::npos)
        return http1_failure{400, "not a request line (RFC 9112, section 3)"};
    into.method = line.substr(0, first);
    if (!is_token(into.method))
        return http1_failure{400, "not a method (RFC 9112, section 3.1)"};
    if (first == last)
        return http1_failure{400, "not a request line (RFC 9112, section 3)"};
    into.target = line.substr(first + 1, last - first - 1);
    if (into.target.empty() || into.target.find(' ') != std::string_view::npos)
        return http1_failure{400, "not a request target (RFC 9112, section 3.2)"};
    const auto version = line.substr(last + 1);
    if (!is_version_1(version)) {
        if (is_http_version(version))
            return http1_failure{505, "neither HTTP/1.0 nor HTTP/1.1 (RFC 9110, section 15.6.6)"};
        return http1_failure{400, "not a request line (RFC 9112, section 3)"};
    }
    into.version = version_number(version);
    return {};
}

std::optional<http1_failure> parse_status_line(std::string_view line, http1_head& into) {
    if (line.size() < 13 || !is_version_1(line.substr(0, 8)) || line[8] != ' ' || line[12] != ' ')
        return http1_failure{400, "not a status line (RFC 9112, section 4)"};
    const auto digits = line.substr(9, 3);
    if (!std::all_of(digits.begin(), digits.end(), is_digit))
        return http1_failure{400, "not a status (RFC 9112, section 4)"};
    into.version = version_number(line.substr(0, 8));
    into.status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    return {};
}

std::uint32_t offset(std::string_view of, std::string_view in) {
    return static_cast<std::uint32_t>(of.data() - in.data());
}

std::optional<http1_failure> parse_fields(
    std::string_view text, std::size_t at, std::size_t fields_max, http1_head& into) {
    constexpr std::size_t most_have = 16;
    into.places.reserve(std::min(fields_max, most_have));
    for (;;) {
        const auto line = text.substr(at, text.find('\r', at) - at);
        if (line.empty())
            return {};
        at += line.size() + 2;
        if (into.places.size() == fields_max)
            return http1_failure{431, "more fields than the bound (RFC 6585, section 5)"};
        std::size_t colon = 0;
        while (colon < line.size() && is_token_char(line[colon]))
            ++colon;
        if (colon == 0 || colon == line.size() || line[colon] != ':')
            return http1_failure{400, "not a field name (RFC 9112, section 5.1)"};
        const auto value = trim(line.substr(colon + 1));
        fields::place place;
        place.name = offset(line, text);
        place.name_size = static_cast<std::uint32_t>(colon);
        place.value = value.empty() ? place.name : offset(value, text);
        place.value_size = static_cast<std::uint32_t>(value.size());
        into.places.push_back(place);
    }
}

}  // namespace

std::optional<http1_failure> parse_request_head(std::string_view text, std::size_t fields_max, http1_head& into) {
    const auto line = text.substr(0, text.find('\r'));
    if (auto failed = parse_request_line(line, into))
        return failed;
    return parse_fields(text, line.size() + 2, fields_max, into);
}

std::optional<http1_failure> parse_response_head(std::string_view text, std::size_t fields_max, http1_head& into) {
    const auto line = text.substr(0, text.find('\r'));
    if (auto failed = parse_status_line(line, into))
        return failed;
    return parse_fields(text, line.size() + 2, fields_max, into);
}

}  // namespace evercert
