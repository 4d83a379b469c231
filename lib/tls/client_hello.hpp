#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <evercert/certificate_source.hpp>

#include "crypto/encoding.hpp"

typedef struct ssl_st SSL;

namespace evercert {

/// Read what a client said, inside OpenSSL's ClientHello callback. Returns 0, or the alert to send (RFC 8446,
/// section 6) if an extension is malformed. The server name is what the client sent, whatever bytes those are.
int read_client_hello(SSL*, client_hello& into);

/// The extensions' bodies: RFC 6066, section 3, and RFC 7301, section 3.1. Return 0 or an alert.
int parse_server_name(bytes_view extension, std::string& name);
int parse_alpn(bytes_view extension, std::vector<std::string>& protocols);

/// What decides on certificates, as it came: extensions are bodies, and absent if the client did not send them.
struct hello_fields {
    bytes_view cipher_suites;
    std::optional<bytes_view> supported_versions = {};
    std::optional<bytes_view> supported_groups = {};
    std::optional<bytes_view> signature_algorithms = {};
    std::optional<bytes_view> signature_algorithms_cert = {};
};

/// RFC 8446, sections 4.1.2, 4.2.1, 4.2.3 and 4.2.7; RFC 5246, section 7.4.1.4.1. Returns 0 or an alert. What is unknown, GREASE
/// among it (RFC 8701), is skipped.
int parse_support(const hello_fields&, client_support& into);

/// A DNS name has 253 characters and perhaps a dot at its end; OpenSSL takes no more than 255 either.
constexpr std::size_t server_name_max = 255;
/// Browsers offer 2; the extension has room for 32767, each of which would become a string.
constexpr std::size_t alpn_protocols_max = 64;

}  // namespace evercert
