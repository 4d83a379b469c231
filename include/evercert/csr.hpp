#pragma once

#include <vector>

#include <evercert/identifier.hpp>
#include <evercert/key.hpp>

namespace evercert {

/// A PKCS#10 certificate signing request (RFC 2986) in DER for exactly these names, in the subject
/// alternative name extension alone: the subject is empty (RFC 8555, section 7.4 asks for the names
/// in either). The names stand in the given order, each once. Throws `error` with `errc::invalid_options`
/// if `names` is empty.
std::vector<unsigned char> make_csr(const private_key& key, const std::vector<identifier>& names);

}  // namespace evercert
