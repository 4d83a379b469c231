#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace evercert {

using bytes = std::vector<unsigned char>;
using bytes_view = std::span<const unsigned char>;

inline bytes_view as_bytes(std::string_view text) {
    return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

/// RFC 4648, section 5, without padding (RFC 7515, section 2).
std::string base64url_encode(bytes_view);
/// Strict: nothing for padding, other characters, a length of 1 mod 4, or bits at the end that are not zero.
std::optional<bytes> base64url_decode(std::string_view);

std::array<unsigned char, 32> sha256(bytes_view);

}  // namespace evercert
