#include "acme/nonce_pool.hpp"

#include "acme/base64url.hpp"

namespace evercert::acme {
namespace {

/// Let's Encrypt's have 48 characters; some CAs pack a signed state into theirs.
constexpr std::size_t nonce_size_max = 1024;

}  // namespace

bool is_nonce(std::string_view text) noexcept { return text.size() <= nonce_size_max && is_base64url(text); }

bool nonce_pool::add(std::string_view nonce) {
    if (!is_nonce(nonce))
        return false;
    nonces_.emplace_back(nonce);
    if (nonces_.size() > nonces_max_)
        nonces_.pop_front();
    return true;
}

std::optional<std::string> nonce_pool::take() {
    if (nonces_.empty())
        return {};
    auto newest = std::move(nonces_.back());
    nonces_.pop_back();
    return newest;
}

}  // namespace evercert::acme
