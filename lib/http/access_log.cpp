#include <chrono>

#include <fmt/format.h>

#include <evercert/access_log.hpp>

#include "http/http1.hpp"

namespace evercert {

namespace {

/// As Apache does it: no quote, backslash or control character of a client's stands in the line as it is.
void append_escaped(std::string& to, std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            to += '\\';
            to += c;
        } else if (byte < 0x20 || byte >= 0x7f) {
            fmt::format_to(std::back_inserter(to), "\\x{:02x}", byte);
        } else {
            to += c;
        }
    }
}

void append_quoted(std::string& to, std::string_view text) {
    to += '"';
    append_escaped(to, text.empty() ? std::string_view{"-"} : text);
    to += '"';
}

// "10/Oct/2000:13:55:36 +0000", from "Tue, 10 Oct 2000 13:55:36 GMT".
std::string common_date(wall_time when) {
    const auto date = http_date(when);
    return fmt::format(
        "{}/{}/{}:{} +0000", date.substr(5, 2), date.substr(8, 3), date.substr(12, 4), date.substr(17, 8));
}

}  // namespace

std::string to_combined_log(const access_record& record) {
    std::string line = fmt::format("{} - - [{}] \"", record.remote.address.to_string(), common_date(record.when));
    if (record.method.empty()) {
        line += '-';
    } else {
        append_escaped(line, record.method);
        line += ' ';
        append_escaped(line, record.target);
        line += ' ';
        append_escaped(line, record.protocol);
    }
    line += fmt::format("\" {} {} ", record.status, record.sent);
    append_quoted(line, record.referer);
    line += ' ';
    append_quoted(line, record.user_agent);
    return line;
}

}  // namespace evercert
