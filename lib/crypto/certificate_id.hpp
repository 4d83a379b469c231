#pragma once

#include <optional>
#include <string>

#include "crypto/openssl.hpp"

namespace evercert {

/// By which renewal information names a certificate (RFC 9773, section 4.1): base64url of the authority key identifier's
/// keyIdentifier, a period, base64url of the serial number's DER content. Throws `error` with
/// `errc::invalid_certificate` if there is no keyIdentifier.
std::string certificate_id(const X509*);

/// The same of a certificate's DER, of which no more than that is read: 1 µs instead of the 100 that parsing takes. Nothing
/// if it has none, or is no certificate.
std::optional<std::string> find_certificate_id(bytes_view der);

}  // namespace evercert
