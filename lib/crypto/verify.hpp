#pragma once

#include <string_view>

#include <evercert/certificate.hpp>
#include <evercert/clock.hpp>
#include <evercert/error.hpp>

namespace evercert {

/// Verify a certificate's chain up to one of the roots (PEM, one or more), at a given time, for a server. Throws
/// `error`: `certificate_expired`, `chain_incomplete`, `invalid_certificate` with OpenSSL's reason.
void verify_chain(const certificate&, std::string_view roots_pem, wall_time at);

/// For one of OpenSSL's X509_V_ERR_ reasons.
errc verification_errc(int reason);

}  // namespace evercert
