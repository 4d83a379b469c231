#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include <evercert/key.hpp>

#include "crypto/public_key.hpp"

namespace evercert {

/// The public JWK (RFC 7517, RFC 7518 section 6, RFC 8037), with the members that its thumbprint needs and no others.
boost::json::object to_jwk(const private_key&);

/// RFC 7638 with SHA-256, base64url.
std::string jwk_thumbprint(const private_key&);

/// "ES256", "ES384", "RS256", "EdDSA" (RFC 7518, section 3.1; RFC 8037).
std::string_view jws_algorithm(const private_key&);

/// The signature of a JWS over `signing_input` (RFC 7518, section 3; r and s side by side for ECDSA).
bytes sign_raw(const private_key&, std::string_view signing_input);

/// A flattened JWS (RFC 7515, section 7.2.2), as RFC 8555 section 6.2 wants it: `protected_header` gets "alg" from the
/// key. An empty payload is a POST-as-GET.
std::string sign_jws(const private_key&, boost::json::object protected_header, std::string_view payload);

}  // namespace evercert
