#pragma once

#include <cstdint>

#include <evercert/key.hpp>

#include "crypto/encoding.hpp"

namespace evercert {

/// A certificate's private key in the fewest bytes from which it can be had back as it was. A key for P-256 or P-384
/// is its number alone, 32 or 48 bytes: the public half stands in the certificate, and the rest of its PKCS#8 is always
/// the same. Every other key is PKCS#8.
struct packed_key {
    bytes_view secret;
    std::uint32_t public_at = 0;  ///< where in the certificate the public half is; 0: `secret` is PKCS#8
};

/// `secret` is a part of `pkcs8`. Nothing is parsed.
packed_key pack_key(bytes_view pkcs8, bytes_view certificate);
/// PKCS#8; overwrite it after use.
bytes unpack_key(const packed_key&, bytes_view certificate);
/// Throws `error` with `errc::invalid_key` if it is damaged or its halves do not belong together.
private_key parse_key(const packed_key&, bytes_view certificate);

}  // namespace evercert
