#pragma once

#include <evercert/key.hpp>

#include "crypto/encoding.hpp"

namespace evercert {

/// OpenSSL's signature, DER for ECDSA, as JWS has it: r and s side by side (RFC 7518, section 3.4).
bytes to_jws_signature(key_type, bytes_view native);
/// The other way; empty if it does not have the size that the key's signatures have.
bytes from_jws_signature(key_type, bytes_view);

}  // namespace evercert
