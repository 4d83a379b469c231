#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <evercert/error.hpp>

#include "crypto/encoding.hpp"

namespace evercert {

/// One "-----BEGIN label-----" block (RFC 7468).
struct pem_block {
    std::string label;
    bool encrypted = false;  ///< by RFC 1421 headers; PKCS#8 says it by its label
    bytes der;
};

/// A certificate with 100 names takes 5 kB, a key of 4096 bits 3 kB: room for any chain, and an end for hostile input.
inline constexpr std::size_t pem_size_max = 256 * 1024;

/// The blocks of `text`; what stands around them is skipped (RFC 7468, section 2). Throws `error` with `code` if a
/// block is damaged or cut off, or the text is too large.
std::vector<pem_block> read_pem(std::string_view text, errc code);

std::string write_pem(const char* label, bytes_view der);

}  // namespace evercert
