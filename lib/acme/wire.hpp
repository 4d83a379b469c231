#pragma once

#include <string>
#include <string_view>

#include <evercert/acme/types.hpp>

namespace evercert::acme {

// A CA's documents (RFC 8555, section 7.1) as values. Pure functions: `url` is where the document came from,
// which it does not say itself. They throw `errc::acme_malformed` for what the RFC does not allow or no sane CA
// sends.

acme::directory parse_directory(std::string_view body, std::string_view url);
acme::account parse_account(std::string_view body, std::string url);
acme::order parse_order(std::string_view body, std::string url);
acme::authorization parse_authorization(std::string_view body, std::string url);
acme::challenge parse_challenge(std::string_view body, std::string_view url);

/// RFC 9773, section 4.2.
acme::renewal_info parse_renewal_info(std::string_view body, std::string_view url);

/// RFC 9773, section 4.1: two texts in base64url and a period between them. It becomes part of a path.
bool is_certificate_id(std::string_view) noexcept;

/// Section 8.1: at least 128 bits of entropy in base64url. It becomes part of a path and of a certificate, so other
/// characters are refused.
bool is_token(std::string_view) noexcept;

/// Throws `errc::acme_malformed` unless this is PEM that holds certificates and nothing else (section 9.1): a key
/// or a text among them means that somebody misleads us.
void check_chain(std::string_view pem, std::string_view url);

}  // namespace evercert::acme
