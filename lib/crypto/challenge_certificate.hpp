#pragma once

#include <string_view>

#include <evercert/certificate.hpp>
#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>

namespace evercert {

/// The self-signed certificate that answers a tls-alpn-01 validation (RFC 8737, section 3): the name as its only
/// subject alternative name and the critical acmeIdentifier extension with SHA-256(key authorization).
certificate_ptr make_challenge_certificate(const identifier& name, std::string_view key_authorization, wall_time now);

}  // namespace evercert
