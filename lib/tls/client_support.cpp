#include <array>

#include <evercert/client_support.hpp>

namespace evercert {
namespace {

constexpr std::array<std::uint16_t, signature_scheme_count> codes{0x0201, 0x0401, 0x0501, 0x0601, 0x0203, 0x0403,
                                                                  0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807};

/// RSA keys of certificates are rsaEncryption, which the schemes for RSASSA-PSS keys are not for (RFC 8446, section 4.2.3).
bool takes_rsa_pss(const signature_schemes& signatures) noexcept {
    using enum signature_scheme;
    return signatures.has(rsa_pss_rsae_sha256) || signatures.has(rsa_pss_rsae_sha384) ||
        signatures.has(rsa_pss_rsae_sha512);
}

bool takes_rsa_pkcs1(const signature_schemes& signatures) noexcept {
    using enum signature_scheme;
    return signatures.has(rsa_pkcs1_sha256) || signatures.has(rsa_pkcs1_sha384) || signatures.has(rsa_pkcs1_sha512) ||
        signatures.has(rsa_pkcs1_sha1);
}

bool takes_ecdsa(const signature_schemes& signatures) noexcept {
    using enum signature_scheme;
    return signatures.has(ecdsa_secp256r1_sha256) || signatures.has(ecdsa_secp384r1_sha384) ||
        signatures.has(ecdsa_secp521r1_sha512) || signatures.has(ecdsa_sha1);
}

bool supports_in_1_3(const client_support& client, key_type key) noexcept {
    switch (key) {
    case key_type::ec_p256: return client.signatures.has(signature_scheme::ecdsa_secp256r1_sha256);
    case key_type::ec_p384: return client.signatures.has(signature_scheme::ecdsa_secp384r1_sha384);
    case key_type::ed25519: return client.signatures.has(signature_scheme::ed25519);
    case key_type::rsa_2048:
    case key_type::rsa_3072:
    case key_type::rsa_4096: return takes_rsa_pss(client.signatures);
    }
    return false;
}

bool supports_in_1_2(const client_support& client, key_type key) noexcept {
    switch (key) {
    case key_type::ec_p256: return client.ecdsa_suites && client.secp256r1 && takes_ecdsa(client.signatures);
    case key_type::ec_p384: return client.ecdsa_suites && client.secp384r1 && takes_ecdsa(client.signatures);
    case key_type::ed25519: return client.ecdsa_suites && client.signatures.has(signature_scheme::ed25519);
    case key_type::rsa_2048:
    case key_type::rsa_3072:
    case key_type::rsa_4096:
        return client.rsa_suites && (takes_rsa_pkcs1(client.signatures) || takes_rsa_pss(client.signatures));
    }
    return false;
}

}  // namespace

std::optional<signature_scheme> find_signature_scheme(std::uint16_t code) noexcept {
    for (std::size_t i = 0; i < codes.size(); ++i)
        if (codes[i] == code)
            return static_cast<signature_scheme>(i);
    return std::nullopt;
}

bool supports(const client_support& client, key_type key, tls_version version) noexcept {
    return version == tls_version::tls_1_3 ? supports_in_1_3(client, key) : supports_in_1_2(client, key);
}

}  // namespace evercert
