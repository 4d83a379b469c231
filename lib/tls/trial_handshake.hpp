#pragma once

#include <evercert/certificate.hpp>
#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>

namespace evercert {

/// The last look at a certificate before it is served: a TLS 1.3 and a TLS 1.2 handshake, in memory, between a server
/// that uses it as ours do and a client that asks for `name` (for a wildcard: for a name under it) at `now`. OpenSSL
/// refuses to serve what its security level or its configuration finds too weak, of which nothing else that looks at
/// the certificate knows. The client trusts the last certificate of the chain, whatever it is.
///
/// Takes about a millisecond of the calling thread. Throws `error`: `invalid_certificate`, `certificate_expired`,
/// `name_mismatch`, `chain_incomplete`.
void verify_in_handshake(const certificate_ptr&, const identifier& name, wall_time now);

}  // namespace evercert
