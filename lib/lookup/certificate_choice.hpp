#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <evercert/client_support.hpp>

#include "crypto/key_kind.hpp"

namespace evercert {

/// Which certificates serve, and which of several goes first. A value of a few bytes, made for each handshake.
class certificate_choice {
public:
    /// Any.
    certificate_choice() : certificate_choice{std::vector<key_type>{}} {}
    /// First the kinds of `first`, in that order, then the others.
    explicit certificate_choice(const std::vector<key_type>& first);

    /// What is left of it for this client.
    certificate_choice for_client(const client_support&) const noexcept;
    /// And of this kind alone.
    certificate_choice of(key_kind) const noexcept;
    /// But for the application's own.
    certificate_choice managed() const noexcept;

    bool empty() const noexcept { return count_ == 0; }
    bool has(key_kind) const noexcept;
    const key_kind* begin() const noexcept { return kinds_.data(); }
    const key_kind* end() const noexcept { return kinds_.data() + count_; }
    bool takes_own() const noexcept { return own_; }
    /// Those that are signed with one of these go before all others: a client may take others, too.
    signature_schemes signatures() const noexcept { return signatures_; }

private:
    std::array<key_kind, key_kinds> kinds_{};
    std::uint8_t count_ = 0;
    bool own_ = true;
    signature_schemes signatures_ = signature_schemes::all();
};

}  // namespace evercert
