#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include <evercert/key.hpp>

#include "crypto/encoding.hpp"

namespace evercert {

/// A public key, for those who verify and those who issue. Copies share the same key; it never changes, so it
/// may be used from any thread.
class public_key {
public:
    /// From a public JWK (RFC 7517, RFC 7518 section 6, RFC 8037). Throws `error` with `errc::invalid_key` if a member
    /// is missing or malformed, the point is not on the curve, or the kind is not in `key_type`.
    static public_key from_jwk(const boost::json::object&);

    /// The public half.
    explicit public_key(const private_key&);
    /// Takes the reference over. Throws `errc::invalid_key` for a kind that is not in `key_type`.
    explicit public_key(EVP_PKEY* adopted);

    key_type type() const noexcept { return type_; }
    /// "ES256", "ES384", "RS256", "EdDSA" (RFC 7518, section 3.1; RFC 8037): the one algorithm that evercert uses this
    /// key with.
    std::string_view jws_algorithm() const noexcept;
    /// The members that the thumbprint needs and no others, in its order (RFC 7638, section 3.2).
    boost::json::object to_jwk() const;
    /// RFC 7638 with SHA-256, base64url.
    std::string thumbprint() const;

    /// True if it is the signature of a JWS with this algorithm over `signing_input` ("protected.payload"). False for
    /// an algorithm other than `jws_algorithm()`: the key decides, not the header (RFC 8725, section 3.1).
    bool verify(std::string_view algorithm, std::string_view signing_input, bytes_view signature) const;

    EVP_PKEY* native_handle() const noexcept { return key_.get(); }

private:
    std::shared_ptr<EVP_PKEY> key_;
    key_type type_;
};

}  // namespace evercert
