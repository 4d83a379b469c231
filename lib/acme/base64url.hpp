#pragma once

#include <string_view>

namespace evercert::acme {

/// Not empty, and of the characters of RFC 4648, section 5, alone: neither padding nor anything that means
/// something in a path, a header field or a log. Whether it can be decoded is nobody's business: nonces and
/// tokens are opaque.
constexpr bool is_base64url(std::string_view text) noexcept {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return !text.empty() && text.find_first_not_of(alphabet) == std::string_view::npos;
}

}  // namespace evercert::acme
