#include <evercert/http.hpp>

namespace evercert {

std::string_view request::path() const noexcept { return std::string_view{target}.substr(0, target.find('?')); }

std::string_view request::query() const noexcept {
    const auto mark = target.find('?');
    return mark == std::string::npos ? std::string_view{} : std::string_view{target}.substr(mark + 1);
}

std::string_view request::path_value(std::string_view name) const noexcept {
    for (const auto& [key, value] : path_values)
        if (key == name)
            return value;
    return {};
}

bool request::is_safe() const noexcept {
    // Methods are case-sensitive: RFC 9110, section 9.1.
    return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

response::response(std::string body) : response{200, std::move(body)} {}

response::response(int status) : response{status, std::string{reason_phrase(status)} + "\n"} {}

response::response(int status, std::string body) : status{status}, body{std::move(body)} {
    fields.add("Content-Type", "text/plain; charset=utf-8");
}

response response::stream(body_producer producer) {
    response made;
    made.producer = std::move(producer);
    return made;
}

response response::stream(body_producer producer, std::uint64_t size) {
    response made = stream(std::move(producer));
    made.producer_size = size;
    return made;
}

std::string_view reason_phrase(int status) noexcept {
    switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";                // RFC 6585
    case 431: return "Request Header Fields Too Large";  // RFC 6585
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";
    }
}

}  // namespace evercert
