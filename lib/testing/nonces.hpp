#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <string>
#include <unordered_set>

namespace evercert::testing {

std::array<unsigned char, 16> random_bytes();
/// 128 random bits, base64url: what RFC 8555 asks of tokens (section 8.1), and enough for nonces.
std::string random_token();

/// The nonces that are good for one request (RFC 8555, section 6.5).
class nonce_book {
public:
    std::string issue();
    /// False if it was never issued, was used before, or is too old.
    bool use(const std::string&);

    /// Older ones expire. Clients keep a few dozen each.
    static constexpr std::size_t outstanding_max = 4096;

private:
    std::deque<std::string> order_;
    std::unordered_set<std::string> good_;
};

}  // namespace evercert::testing
