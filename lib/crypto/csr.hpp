#pragma once

#include <vector>

#include <evercert/csr.hpp>
#include <evercert/identifier.hpp>

#include "crypto/encoding.hpp"
#include "crypto/public_key.hpp"

namespace evercert {

struct parsed_csr {
    public_key key;
    /// Those of the subject alternative name extension, then the common name if it is not among them.
    std::vector<identifier> names;
};

/// A PKCS#10 request as a CA reads it. Throws `error`: `invalid_certificate` if it is malformed or not signed by its
/// own key, `invalid_key` for a kind of key that is not in `key_type`, `invalid_identifier` for a common name that is
/// not a host name.
parsed_csr parse_csr(bytes_view der);

}  // namespace evercert
