#include "lookup/certificate_choice.hpp"

#include <algorithm>

namespace evercert {
namespace {

/// Clients do not tell RSA keys apart by their length.
constexpr key_type example_of(key_kind kind) noexcept {
    switch (kind) {
    case key_kind::ec_p256: return key_type::ec_p256;
    case key_kind::ec_p384: return key_type::ec_p384;
    case key_kind::rsa: return key_type::rsa_2048;
    case key_kind::ed25519: return key_type::ed25519;
    }
    return key_type::ec_p256;
}

}  // namespace

certificate_choice::certificate_choice(const std::vector<key_type>& first) {
    const auto add = [this](key_kind kind) {
        if (!has(kind))
            kinds_[count_++] = kind;
    };
    for (const auto type : first)
        add(kind_of(type));
    for (const auto kind : {key_kind::ec_p256, key_kind::ec_p384, key_kind::rsa, key_kind::ed25519})
        add(kind);
}

certificate_choice certificate_choice::for_client(const client_support& client) const noexcept {
    auto left = *this;
    left.count_ = 0;
    for (const auto kind : *this)
        if (supports(client, example_of(kind)))
            left.kinds_[left.count_++] = kind;
    left.signatures_ = client.chain_signatures;
    return left;
}

certificate_choice certificate_choice::of(key_kind kind) const noexcept {
    auto left = *this;
    left.count_ = has(kind) ? 1 : 0;
    left.kinds_[0] = kind;
    return left;
}

certificate_choice certificate_choice::managed() const noexcept {
    auto left = *this;
    left.own_ = false;
    return left;
}

bool certificate_choice::has(key_kind kind) const noexcept { return std::find(begin(), end(), kind) != end(); }

}  // namespace evercert
