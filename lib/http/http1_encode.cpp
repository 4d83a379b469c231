#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include <evercert/error.hpp>

#include "http/ascii.hpp"
#include "http/http1.hpp"
#include "http/url.hpp"

namespace evercert {

namespace {

// The framing and the connection are the encoder's business.
bool is_ours(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 5> names = {
        "Connection", "Content-Length", "Date", "Keep-Alive", "Transfer-Encoding"};
    return std::any_of(
        names.begin(), names.end(), [&](std::string_view ours) { return equals_ignoring_case(ours, name); });
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
    if (!message.body.empty() || !message.is_safe())
        append_field(wire, "Content-Length", std::to_string(message.body.size()));
    wire += "\r\n";
    wire += message.body;
    return wire;
}

std::string encode_response_head(const response& message, bool keep_alive, wall_time now) {
    if (message.status < 200 || message.status > 599)
        throw error{errc::http_malformed, fmt::format("{} is not a final status", message.status)};
    std::string wire = fmt::format("HTTP/1.1 {} {}\r\n", message.status, reason_phrase(message.status));
    append_field(wire, "Date", http_date(now));
    append_fields(wire, message.fields);
    if (!has_no_body(message.status))
        append_field(wire, "Content-Length", std::to_string(message.body.size()));
    if (!keep_alive)
        append_field(wire, "Connection", "close");
    wire += "\r\n";
    return wire;
}

std::string http_date(wall_time when) {
    using namespace std::chrono;
    constexpr std::array<std::string_view, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto second = floor<seconds>(when);
    const auto day = floor<std::chrono::days>(second);
    const year_month_day date{day};
    const hh_mm_ss time{second - day};
    return fmt::format(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", days[weekday{day}.c_encoding()], static_cast<unsigned>(date.day()),
        months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()), time.hours().count(),
        time.minutes().count(), time.seconds().count());
}

}  // namespace evercert
