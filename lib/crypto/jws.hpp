#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include <evercert/key.hpp>

#include "crypto/encoding.hpp"

namespace evercert {

/// The public JWK (RFC 7517, RFC 7518 section 6, RFC 8037), with the members that its thumbprint needs and no others.
boost::json::object to_jwk(const private_key&);

/// RFC 7638 with SHA-256, base64url.
std::string jwk_thumbprint(const private_key&);

/// "ES256", "ES384", "RS256", "EdDSA" (RFC 7518, section 3.1; RFC 8037).
std::string_view jws_algorithm(const private_key&);

/// A flattened JWS (RFC 7515, section 7.2.2), as RFC 8555 section 6.2 wants it: `protected_header` gets "alg" from the key.
/// An empty payload is a POST-as-GET.
std::string sign_jws(const private_key&, boost::json::object protected_header, std::string_view payload);

/// A public key out of a JWK, for those who verify.
class public_key {
public:
    /// Throws `error` with `errc::invalid_key`.
    static public_key from_jwk(const boost::json::object&);

    /// The signature of a JWS with this algorithm over `signing_input`.
    bool verify(std::string_view algorithm, std::string_view signing_input, bytes_view signature) const;
    std::string thumbprint() const;
    EVP_PKEY* native_handle() const noexcept { return key_.get(); }

private:
    explicit public_key(std::shared_ptr<EVP_PKEY> key) : key_{std::move(key)} {}
    std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace evercert
