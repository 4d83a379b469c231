#pragma once

#include <cstdint>

namespace evercert {

/// The cipher suites of TLS 1.2 and before by the kind of certificate that they need, as the IANA registry numbers them. What
/// nobody offers any more, or never did (Camellia, ARIA, CCM in part), counts like the others: a client that has a suite which
/// the server has not is refused by the server.
constexpr bool is_ecdsa_suite(std::uint16_t suite) noexcept {
    return (suite >= 0xc006 && suite <= 0xc00a)  // CBC with SHA-1
        || suite == 0xc023 || suite == 0xc024    // CBC with SHA-2
        || suite == 0xc02b || suite == 0xc02c    // AES-GCM
        || suite == 0xc048 || suite == 0xc049    // ARIA
        || suite == 0xc05c || suite == 0xc05d    // ARIA-GCM
        || suite == 0xc072 || suite == 0xc073    // Camellia
        || suite == 0xc086 || suite == 0xc087    // Camellia-GCM
        || (suite >= 0xc0ac && suite <= 0xc0af)  // AES-CCM
        || suite == 0xcca9;                      // ChaCha20-Poly1305
}

/// ECDHE_RSA, DHE_RSA and RSA itself.
constexpr bool is_rsa_suite(std::uint16_t suite) noexcept {
    switch (suite) {
    // ECDHE_RSA.
    case 0xc010:
    case 0xc011:
    case 0xc012:
    case 0xc013:
    case 0xc014:
    case 0xc027:
    case 0xc028:
    case 0xc02f:
    case 0xc030:
    case 0xcca8:
    case 0xc04c:
    case 0xc04d:
    case 0xc060:
    case 0xc061:
    case 0xc076:
    case 0xc077:
    case 0xc08a:
    case 0xc08b:
    // DHE_RSA.
    case 0x0016:
    case 0x0033:
    case 0x0039:
    case 0x0045:
    case 0x0067:
    case 0x006b:
    case 0x0088:
    case 0x009a:
    case 0x009e:
    case 0x009f:
    case 0x00be:
    case 0x00c4:
    case 0xc044:
    case 0xc045:
    case 0xc052:
    case 0xc053:
    case 0xc07c:
    case 0xc07d:
    case 0xc09e:
    case 0xc09f:
    case 0xc0a2:
    case 0xc0a3:
    case 0xccaa:
    // RSA.
    case 0x0004:
    case 0x0005:
    case 0x000a:
    case 0x002f:
    case 0x0035:
    case 0x003b:
    case 0x003c:
    case 0x003d:
    case 0x0041:
    case 0x0084:
    case 0x0096:
    case 0x009c:
    case 0x009d:
    case 0x00ba:
    case 0x00c0:
    case 0xc03c:
    case 0xc03d:
    case 0xc050:
    case 0xc051:
    case 0xc07a:
    case 0xc07b:
    case 0xc09c:
    case 0xc09d:
    case 0xc0a0:
    case 0xc0a1: return true;
    default: return false;
    }
}

}  // namespace evercert
