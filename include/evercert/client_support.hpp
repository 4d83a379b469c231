#pragma once

#include <cstdint>
#include <optional>

#include <evercert/key.hpp>

namespace evercert {

/// The signature schemes that certificates are made and used with (RFC 8446, section 4.2.3).
enum class signature_scheme : std::uint8_t {
    rsa_pkcs1_sha1,
    rsa_pkcs1_sha256,
    rsa_pkcs1_sha384,
    rsa_pkcs1_sha512,
    ecdsa_sha1,
    ecdsa_secp256r1_sha256,  ///< in TLS 1.2, as the next two, of any curve (RFC 5246, section 7.4.1.4.1)
    ecdsa_secp384r1_sha384,
    ecdsa_secp521r1_sha512,
    rsa_pss_rsae_sha256,
    rsa_pss_rsae_sha384,
    rsa_pss_rsae_sha512,
    ed25519,
};
inline constexpr int signature_scheme_count = 12;

/// By its number on the wire, 0x0403; nothing for one that no certificate here needs.
std::optional<signature_scheme> find_signature_scheme(std::uint16_t code) noexcept;

/// A set of them, in two bytes.
class signature_schemes {
public:
    constexpr signature_schemes() = default;
    static constexpr signature_schemes all() noexcept {
        signature_schemes every;
        every.bits_ = (1U << signature_scheme_count) - 1;
        return every;
    }
    constexpr signature_schemes& add(signature_scheme one) noexcept {
        bits_ = static_cast<std::uint16_t>(bits_ | 1U << static_cast<unsigned>(one));
        return *this;
    }
    constexpr bool has(signature_scheme one) const noexcept { return (bits_ >> static_cast<unsigned>(one) & 1U) != 0; }
    constexpr bool has_all() const noexcept { return bits_ == all().bits_; }
    friend constexpr bool operator==(signature_schemes, signature_schemes) noexcept = default;

private:
    std::uint16_t bits_ = 0;
};

/// What came before TLS 1.2 asks for the same certificates.
enum class tls_version : std::uint8_t { tls_1_2, tls_1_3 };

/// What decides on the certificates that a client can use, as its ClientHello says it. As it is made, nothing is known and so nothing is
/// said against any certificate.
struct client_support {
    bool tls_1_3 = true;
    bool ecdsa_suites = true;  ///< a cipher suite of TLS 1.2 for ECDSA and Ed25519 certificates (RFC 8422, section 2)
    bool rsa_suites = true;    ///< and one for RSA certificates
    bool secp256r1 = true;  ///< in supported_groups, which is about certificates up to TLS 1.2 (RFC 8422, section 5.1)
    bool secp384r1 = true;
    signature_schemes signatures =
        signature_schemes::all();  ///< signature_algorithms: what the key signs in the handshake
    /// signature_algorithms_cert: what the certificate is signed with. All if the client did not send it: what stands in for it then
    /// (section 4.2.3) is a wish, and OpenSSL grants it neither.
    signature_schemes chain_signatures = signature_schemes::all();

    /// The one that is spoken with this server: with one that is limited to TLS 1.2 `tls_1_3` is false.
    constexpr tls_version version() const noexcept { return tls_1_3 ? tls_version::tls_1_3 : tls_version::tls_1_2; }
    friend constexpr bool operator==(const client_support&, const client_support&) noexcept = default;
};

/// Whether the client can use a certificate with such a key in that version (RFC 8446, section 4.4.2.2; RFC 5246, section 7.4.2; RFC
/// 8422, section 5).
bool supports(const client_support&, key_type, tls_version) noexcept;
inline bool supports(const client_support& client, key_type key) noexcept {
    return supports(client, key, client.version());
}

}  // namespace evercert
