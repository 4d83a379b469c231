#pragma once

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

#include <evercert/client_support.hpp>

// What a client can use, on its way from a follower to the leader.

/// A text of 0 and 1: what a ClientHello says beside the signature schemes, then both sets of these.
inline std::string write_support(const evercert::client_support& client) {
    std::string bits;
    const auto add = [&](bool is) { bits += is ? '1' : '0'; };
    for (const bool each : {client.tls_1_3, client.ecdsa_suites, client.rsa_suites, client.secp256r1, client.secp384r1})
        add(each);
    for (const auto* set : {&client.signatures, &client.chain_signatures})
        for (int i = 0; i < evercert::signature_scheme_count; ++i)
            add(set->has(static_cast<evercert::signature_scheme>(i)));
    return bits;
}

inline evercert::client_support read_support(std::string_view bits) {
    constexpr std::size_t flags = 5, schemes = evercert::signature_scheme_count;
    if (bits.size() != flags + 2 * schemes || bits.find_first_not_of("01") != bits.npos)
        throw std::runtime_error{"the client's support makes no sense: do both run the same version?"};
    const auto is = [bits](std::size_t at) { return bits[at] == '1'; };
    evercert::client_support client;
    client.tls_1_3 = is(0);
    client.ecdsa_suites = is(1);
    client.rsa_suites = is(2);
    client.secp256r1 = is(3);
    client.secp384r1 = is(4);
    client.signatures = client.chain_signatures = {};
    for (std::size_t i = 0; i < schemes; ++i) {
        const auto scheme = static_cast<evercert::signature_scheme>(i);
        if (is(flags + i))
            client.signatures.add(scheme);
        if (is(flags + schemes + i))
            client.chain_signatures.add(scheme);
    }
    return client;
}

/// A bit for each kind of key that a certificate may have, if the client can use it: what a certificate that one client was
/// given has to be asked for again.
inline unsigned usable_keys(const evercert::client_support& client) {
    using evercert::key_type;
    unsigned bits = 0, bit = 1;
    for (const auto key : {key_type::ec_p256, key_type::ec_p384, key_type::rsa_2048, key_type::ed25519}) {
        if (evercert::supports(client, key))
            bits |= bit;
        bit <<= 1U;
    }
    return bits;
}
