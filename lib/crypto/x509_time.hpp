#pragma once

#include <ctime>
#include <string>

#include <evercert/clock.hpp>

#include "crypto/openssl.hpp"

namespace evercert {

/// Times outside of what `wall_time` holds (1677 to 2262) become its ends: "99991231235959Z" stands for no end (RFC
/// 5280, section 4.1.2.5). Throws `error` with `errc::invalid_certificate` if it is not a time.
wall_time to_wall_time(const ASN1_TIME*);
/// UTCTime until 2049, GeneralizedTime from then on (RFC 5280, section 4.1.2.5), in whole seconds.
asn1_time_ptr to_asn1_time(wall_time);

std::time_t to_time_t(wall_time);
/// "2026-01-31 12:00:00 UTC".
std::string to_text(wall_time);

}  // namespace evercert
