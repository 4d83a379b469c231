#include "http/url.hpp"

#include <algorithm>
#include <charconv>

#include <asio/ip/address_v4.hpp>
#include <asio/ip/address_v6.hpp>

#include "http/ascii.hpp"

namespace evercert {

namespace {

// RFC 1035, section 2.3.4.
constexpr std::size_t host_name_max = 253;

bool is_host_char(char c) noexcept { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; }

// "127.1" or "0x7f.0.0.1" is an address to some resolvers and a name to others.
bool looks_like_ipv4(std::string_view host) noexcept {
    if (host.ends_with('.'))
        host.remove_suffix(1);
    const auto dot = host.rfind('.');
    const auto last = dot == std::string_view::npos ? host : host.substr(dot + 1);
    return !last.empty() && is_digit(last.front()) &&
        (std::all_of(last.begin(), last.end(), is_digit) || last.starts_with("0x") || last.starts_with("0X"));
}

std::optional<std::string> parse_host_name(std::string_view text) {
    if (text.empty() || text.size() > host_name_max || text.front() == '.' ||
        text.find("..") != std::string_view::npos || !std::all_of(text.begin(), text.end(), is_host_char))
        return {};
    if (looks_like_ipv4(text)) {
        std::error_code failed;
        const auto address = asio::ip::make_address_v4(std::string{text}, failed);
        if (failed || address.to_string() != text)
            return {};
    }
    return lower_case(text);
}

std::optional<std::string> parse_ipv6(std::string_view text) {
    const auto allowed = [](char c) {
        return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f') || c == ':' || c == '.';
    };
    if (!std::all_of(text.begin(), text.end(), allowed))
        return {};
    std::error_code failed;
    const auto address = asio::ip::make_address_v6(std::string{text}, failed);
    if (failed)
        return {};
    return address.to_string();
}

bool parse_port(std::string_view text, std::optional<std::uint16_t>& port) {
    if (text.empty())
        return true;
    std::uint16_t value = 0;
    const auto end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (parsed.ec != std::errc{} || parsed.ptr != end || value == 0)
        return false;
    port = value;
    return true;
}

}  // namespace

std::optional<authority> parse_authority(std::string_view text) {
    std::optional<std::string> host;
    std::string_view rest;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos)
            return {};
        host = parse_ipv6(text.substr(1, end - 1));
        rest = text.substr(end + 1);
    } else {
        const auto colon = std::min(text.find(':'), text.size());
        host = parse_host_name(text.substr(0, colon));
        rest = text.substr(colon);
    }
    authority result;
    if (!host || (!rest.empty() && (rest.front() != ':' || !parse_port(rest.substr(1), result.port))))
        return {};
    result.host = std::move(*host);
    return result;
}

bool is_request_target(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

std::optional<url> parse_url(std::string_view text) {
    const auto colon = text.find("://");
    if (colon == std::string_view::npos || !is_request_target(text))
        return {};
    url result;
    result.scheme = lower_case(text.substr(0, colon));
    if (result.scheme != "http" && result.scheme != "https")
        return {};

    text.remove_prefix(colon + 3);
    const auto end = std::min(text.find_first_of("/?"), text.size());
    auto where = parse_authority(text.substr(0, end));
    if (!where)
        return {};
    result.host = std::move(where->host);
    result.port = where->port.value_or(result.scheme == "https" ? 443 : 80);
    text.remove_prefix(end);
    if (!text.starts_with('/'))
        result.target = "/";
    result.target += text;
    return result;
}

std::string url::host_field() const {
    std::string result = host.find(':') == std::string::npos ? host : "[" + host + "]";
    if (port != (scheme == "https" ? 443 : 80))
        result += ":" + std::to_string(port);
    return result;
}

}  // namespace evercert
