#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace evercert {

/// Host and port as they stand in a URL or a Host field (RFC 3986, section 3.2).
struct authority {
    /// Lower case; an IPv6 address without its brackets, in canonical form.
    std::string host;
    /// Nothing where none was given, or an empty one.
    std::optional<std::uint16_t> port;
};

/// Host names of letters, digits, '-', '_' and '.', or IP literals. Nothing for anything else: user
/// information, percent-encoding, IPv6 zones, and numbers that only some parsers take for an IPv4 address.
std::optional<authority> parse_authority(std::string_view text);

/// An absolute http or https URL.
struct url {
    std::string scheme;  ///< "http" or "https"
    std::string host;    ///< as in `authority`
    std::uint16_t port = 0;
    std::string target;  ///< path and query, at least "/"

    /// Host and port as the Host field wants them: IPv6 in brackets, no port that goes without saying.
    std::string host_field() const;
};

/// Nothing for any other scheme, user information, a fragment, white space or control characters, non-ASCII.
std::optional<url> parse_url(std::string_view text);

/// What may stand in a request target: visible ASCII, no fragment. Browsers send more than RFC 3986 allows
/// ("|", "{"), and that does no harm.
bool is_request_target(std::string_view text) noexcept;

}  // namespace evercert
