#pragma once

#include <optional>

#include <openssl/evp.h>

#include <evercert/key.hpp>

namespace evercert {

/// Of a private or public key; nothing for a kind that is not in `key_type`.
std::optional<key_type> find_key_type(const EVP_PKEY*);
/// Throws `error` with `errc::invalid_key` instead.
key_type require_key_type(const EVP_PKEY*);

/// The digest that goes with the key in signatures of certificates, CSRs and JWS (RFC 7518, section 3.1); null for
/// Ed25519, which has its own.
const EVP_MD* signature_digest(key_type);

}  // namespace evercert
