#include <algorithm>

#include <evercert/http.hpp>

#include "http/ascii.hpp"

namespace evercert {

namespace {

auto named(std::string_view name) {
    return [name](const fields::value_type& field) { return equals_ignoring_case(field.first, name); };
}

}  // namespace

std::string_view fields::get(std::string_view name) const noexcept {
    const auto found = std::find_if(values_.begin(), values_.end(), named(name));
    return found == values_.end() ? std::string_view{} : std::string_view{found->second};
}

bool fields::has(std::string_view name) const noexcept {
    return std::any_of(values_.begin(), values_.end(), named(name));
}

std::vector<std::string_view> fields::all(std::string_view name) const {
    std::vector<std::string_view> result;
    for (const auto& [key, value] : values_)
        if (equals_ignoring_case(key, name))
            result.push_back(value);
    return result;
}

void fields::set(std::string_view name, std::string_view value) {
    const auto first = std::find_if(values_.begin(), values_.end(), named(name));
    if (first == values_.end())
        return add(name, value);
    first->second = value;
    values_.erase(std::remove_if(std::next(first), values_.end(), named(name)), values_.end());
}

void fields::add(std::string_view name, std::string_view value) {
    values_.emplace_back(std::string{name}, std::string{value});
}

void fields::erase(std::string_view name) { std::erase_if(values_, named(name)); }

std::string_view request::path() const noexcept { return std::string_view{target}.substr(0, target.find('?')); }

std::string_view request::query() const noexcept {
    const auto mark = target.find('?');
    return mark == std::string::npos ? std::string_view{} : std::string_view{target}.substr(mark + 1);
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
