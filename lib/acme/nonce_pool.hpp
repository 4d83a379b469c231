#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace evercert::acme {

/// RFC 8555, section 6.5.1: base64url, else it MUST be ignored. Its length is bounded since it goes back in every
/// request.
bool is_nonce(std::string_view) noexcept;

/// Nonces for the next requests: the newest first, since CAs let them expire; the oldest are dropped.
class nonce_pool {
public:
    explicit nonce_pool(std::size_t nonces_max) : nonces_max_{nonces_max} {}

    /// Ignores what is not a nonce. Returns whether it was one.
    bool add(std::string_view nonce);
    std::optional<std::string> take();
    std::size_t size() const noexcept { return nonces_.size(); }

private:
    std::size_t nonces_max_;
    std::deque<std::string> nonces_;
};

}  // namespace evercert::acme
