#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include <evercert/error.hpp>

#include "http/ascii.hpp"
#include "http/http1.hpp"
#include "http/http_date.hpp"
#include "http/url.hpp"

namespace evercert {

namespace {

// The framing and the connection are the encoder's business.
bool is_ours(std::string_view name) noexcept {
    switch (name.size()) {
    case 4: return equals_ignoring_case(name, "Date");
    case 10: return equals_ignoring_case(name, "Connection") || equals_ignoring_case(name, "Keep-Alive");
    case 14: return equals_ignoring_case(name, "Content-Length");
    case 17: return equals_ignoring_case(name, "Transfer-Encoding");
    default: return false;
    }
}

void append_field(std::string& to, std::string_view name, std::string_view value) {
    if (!is_token(name))
        throw error{errc::http_malformed, fmt::format("{} is not a field name", evercert::quoted(name))};
    if (!std::all_of(value.begin(), value.end(), is_field_char))
        throw error{
            errc::http_malformed,
            fmt::format("the value of {} has control characters: {}", name, evercert::quoted(value))};
    to += name;
    to += ": ";
    to += value;
    to += "\r\n";
}

void append_fields(std::string& to, const fields& fields) {
    for (const auto& [name, value] : fields)
        if (!is_ours(name))
            append_field(to, name, value);
}

void append_number(std::string& to, std::uint64_t number) {
    std::array<char, 20> digits;
    const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    to.append(digits.data(), written.ptr);
}

/// It changes once a second, and answers are many.
void append_date(std::string& to, wall_time now) {
    struct cached {
        std::chrono::seconds of{-1};
        std::string text;
    };
    thread_local cached last;
    const auto second = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch();
    if (last.of != second) {
        last.text = http_date(now);
        last.of = second;
    }
    to += last.text;
}

}  // namespace

std::string encode_request(const request& message, std::string_view target, std::string_view host) {
    if (!is_token(message.method))
        throw error{errc::http_malformed, evercert::quoted(message.method) + " is not a method"};
    if (target.empty() || !is_request_target(target))
        throw error{errc::http_malformed, evercert::quoted(target) + " is not a request target"};
    std::string wire = fmt::format("{} {} HTTP/1.1\r\n", message.method, target);
    append_field(wire, "Host", host);
    for (const auto& [name, value] : message.fields)
        if (!is_ours(name) && !equals_ignoring_case(name, "Host"))
            append_field(wire, name, value);
    // RFC 9110, section 8.6: a method that gives a body a meaning says so if it has none.
    const std::string& body = message.body.whole();
    if (!body.empty() || !message.is_safe())
        append_field(wire, "Content-Length", std::to_string(body.size()));
    wire += "\r\n";
    wire += body;
    return wire;
}

void encode_trailers(std::string& to, const fields& trailers) {
    append_fields(to, trailers);
    to += "\r\n";
}

void encode_response_head(
    std::string& to, const response& message, const http1_answer_framing& framing, wall_time now) {
    if (message.status < 200 || message.status > 599)
        throw error{errc::http_malformed, fmt::format("{} is not a final status", message.status)};
    const auto before = to.size();
    try {
        to += "HTTP/1.1 ";
        append_number(to, static_cast<std::uint64_t>(message.status));
        to += ' ';
        to += reason_phrase(message.status);
        to += "\r\nDate: ";
        append_date(to, now);
        to += "\r\n";
        append_fields(to, message.fields);
    } catch (...) {
        to.resize(before);
        throw;
    }
    if (framing.how == http1_ending::chunked) {
        to += "Transfer-Encoding: chunked\r\n";
    } else if (framing.how == http1_ending::length && !has_no_body(message.status)) {
        to += "Content-Length: ";
        append_number(to, framing.length);
        to += "\r\n";
    }
    if (!framing.keep_alive)
        to += "Connection: close\r\n";
    to += "\r\n";
}

std::string encode_response_head(const response& message, bool keep_alive, wall_time now) {
    http1_answer_framing framing;
    framing.length = message.body.size();
    framing.keep_alive = keep_alive;
    std::string wire;
    encode_response_head(wire, message, framing, now);
    return wire;
}

}  // namespace evercert
