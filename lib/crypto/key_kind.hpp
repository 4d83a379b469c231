#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <evercert/key.hpp>

namespace evercert {

/// Keys that the same clients can use: how long an RSA key is makes no difference to them.
enum class key_kind : std::uint8_t { ec_p256, ec_p384, rsa, ed25519 };
inline constexpr std::size_t key_kinds = 4;

constexpr key_kind kind_of(key_type type) noexcept {
    switch (type) {
    case key_type::ec_p256: return key_kind::ec_p256;
    case key_type::ec_p384: return key_kind::ec_p384;
    case key_type::rsa_2048:
    case key_type::rsa_3072:
    case key_type::rsa_4096: return key_kind::rsa;
    case key_type::ed25519: return key_kind::ed25519;
    }
    return key_kind::ec_p256;
}

}  // namespace evercert
