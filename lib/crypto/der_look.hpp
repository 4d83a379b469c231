#pragma once

#include <optional>

#include <evercert/client_support.hpp>
#include <evercert/key.hpp>

#include "crypto/encoding.hpp"

namespace evercert {

// A look at the first fields of DER, where parsing all of it would take a hundred times as long and is done at first use. Nothing for what is
// damaged or of another kind: the parser says what it is.

/// Of a PKCS#8 private key (RFC 5958; for RSA, RFC 8017, appendix A.1.2).
std::optional<key_type> look_at_key(bytes_view pkcs8);
/// What a certificate is signed with (RFC 5280, section 4.1.1.2). RSASSA-PSS has its hash in parameters: nothing.
std::optional<signature_scheme> look_at_signature(bytes_view certificate);

}  // namespace evercert
