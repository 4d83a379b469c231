#include <string>
#include <string_view>
#include <vector>

#include <openssl/ssl.h>

#include <evercert/client_support.hpp>

#include "catch.hpp"
#include "crypto/openssl.hpp"
#include "tls/cipher_suite.hpp"
#include "tls/client_hello.hpp"

using namespace evercert;

namespace {

using numbers = std::vector<std::uint16_t>;

constexpr std::uint16_t tls_1_3 = 0x0304, tls_1_2 = 0x0303, grease = 0x8a8a;
constexpr std::uint16_t ecdhe_rsa = 0xc02f, ecdhe_ecdsa = 0xc02b, dhe_rsa = 0x009e, plain_rsa = 0x009c,
                        aes_1_3 = 0x1301;
constexpr std::uint16_t secp256r1 = 23, secp384r1 = 24, x25519 = 29;
constexpr std::uint16_t ecdsa_256 = 0x0403, ecdsa_384 = 0x0503, pss_256 = 0x0804, pss_pss_256 = 0x0809,
                        pkcs1_256 = 0x0401, pkcs1_sha1 = 0x0201, ed25519 = 0x0807;

bytes to_bytes(const numbers& list) {
    bytes wire;
    for (const auto one : list) {
        wire.push_back(static_cast<unsigned char>(one >> 8));
        wire.push_back(static_cast<unsigned char>(one & 0xff));
    }
    return wire;
}

bytes to_extension(const numbers& list, std::size_t width = 2) {
    const auto content = to_bytes(list);
    bytes wire;
    if (width == 2)
        wire.push_back(static_cast<unsigned char>(content.size() >> 8));
    wire.push_back(static_cast<unsigned char>(content.size() & 0xff));
    wire.insert(wire.end(), content.begin(), content.end());
    return wire;
}

/// A ClientHello; an empty list is an extension that was not sent.
struct said {
    numbers versions;
    numbers suites;
    numbers groups;
    numbers signatures;
    numbers chain = {};
};

client_support parsed(const said& by_client) {
    const auto versions = to_extension(by_client.versions, 1);
    const auto suites = to_bytes(by_client.suites);
    const auto groups = to_extension(by_client.groups), signatures = to_extension(by_client.signatures),
               chain = to_extension(by_client.chain);
    const auto if_sent = [](const numbers& list, const bytes& wire) {
        return list.empty() ? std::nullopt : std::optional{bytes_view{wire}};
    };
    const hello_fields hello{
        suites, if_sent(by_client.versions, versions), if_sent(by_client.groups, groups),
        if_sent(by_client.signatures, signatures), if_sent(by_client.chain, chain)};
    client_support support;
    REQUIRE(parse_support(hello, support) == 0);
    return support;
}

/// "P-256 RSA 2048": what it takes of a certificate of each kind.
std::string taken(const said& by_client) {
    const auto support = parsed(by_client);
    std::string all;
    for (const auto type : {key_type::ec_p256, key_type::ec_p384, key_type::rsa_2048, key_type::ed25519})
        if (supports(support, type))
            all += (all.empty() ? "" : " ") + std::string{to_string(type)};
    CHECK(supports(support, key_type::rsa_2048) == supports(support, key_type::rsa_4096));
    CHECK(supports(support, key_type::rsa_2048) == supports(support, key_type::rsa_3072));
    return all;
}

}  // namespace

TEST_CASE("what a client can use is in its ClientHello") {
    const struct {
        const char* client;
        said hello;
        const char* takes;
    } table[] = {
        {"a browser",
         {{grease, tls_1_3, tls_1_2},
          {grease, aes_1_3, ecdhe_ecdsa, ecdhe_rsa},
          {grease, x25519, secp256r1, secp384r1},
          {ecdsa_256, pss_256, pkcs1_256, ecdsa_384}},
         "P-256 P-384 RSA 2048"},
        {"TLS 1.3 with RSA-PSS alone", {{tls_1_3}, {aes_1_3}, {x25519, secp256r1}, {pss_256}}, "RSA 2048"},
        {"TLS 1.3 whose PKCS #1 is for chains", {{tls_1_3}, {aes_1_3}, {x25519}, {ecdsa_256, pkcs1_256}}, "P-256"},
        {"TLS 1.3 with RSA-PSS for keys of that kind alone", {{tls_1_3}, {aes_1_3}, {x25519}, {pss_pss_256}}, ""},
        {"TLS 1.3 with ECDSA on P-256 alone", {{tls_1_3}, {aes_1_3}, {x25519}, {ecdsa_256}}, "P-256"},
        {"TLS 1.3 with ECDSA on P-384 alone", {{tls_1_3}, {aes_1_3}, {x25519}, {ecdsa_384}}, "P-384"},
        {"TLS 1.3 with Ed25519 alone", {{tls_1_3}, {aes_1_3}, {x25519}, {ed25519}}, "Ed25519"},
        {"TLS 1.3 that offers suites of 1.2 for RSA alone",
         {{tls_1_3, tls_1_2}, {aes_1_3, ecdhe_rsa}, {x25519}, {ecdsa_256, pss_256}},
         "P-256 RSA 2048"},
        {"TLS 1.3 that shows a ticket and asks for no certificate",
         {{tls_1_3}, {aes_1_3}, {x25519}, {}},
         "P-256 P-384 RSA 2048 Ed25519"},
        {"TLS 1.2 with ECDHE-RSA alone", {{}, {ecdhe_rsa}, {secp256r1, secp384r1}, {ecdsa_256, pkcs1_256}}, "RSA 2048"},
        {"TLS 1.2 with DHE-RSA alone", {{}, {dhe_rsa}, {}, {pkcs1_256}}, "RSA 2048"},
        {"TLS 1.2 with RSA key exchange alone", {{}, {plain_rsa}, {}, {pkcs1_256}}, "RSA 2048"},
        {"TLS 1.2 with RSA-PSS alone", {{tls_1_2}, {ecdhe_rsa, ecdhe_ecdsa}, {secp256r1}, {pss_256}}, "RSA 2048"},
        {"TLS 1.2 with ECDHE-ECDSA alone",
         {{}, {ecdhe_ecdsa}, {secp256r1, secp384r1}, {ecdsa_256, pkcs1_256}},
         "P-256 P-384"},
        {"TLS 1.2 with one hash for any curve", {{}, {ecdhe_ecdsa}, {secp384r1}, {ecdsa_256}}, "P-384"},
        {"TLS 1.2 with P-256 alone", {{}, {ecdhe_ecdsa, ecdhe_rsa}, {secp256r1}, {ecdsa_256, ecdsa_384}}, "P-256"},
        {"TLS 1.2 with X25519 alone", {{}, {ecdhe_ecdsa, ecdhe_rsa}, {x25519}, {ecdsa_256, pkcs1_256}}, "RSA 2048"},
        {"TLS 1.2 that names no group (RFC 8422)", {{}, {ecdhe_ecdsa}, {}, {ecdsa_256}}, "P-256 P-384"},
        {"TLS 1.2 with Ed25519", {{}, {ecdhe_ecdsa}, {x25519}, {ed25519}}, "Ed25519"},
        // RFC 5246, section 7.4.1.4.1: it speaks SHA-1 for what its suites need.
        {"TLS 1.2 without signature algorithms, RSA", {{}, {ecdhe_rsa}, {secp256r1}, {}}, "RSA 2048"},
        {"TLS 1.2 without signature algorithms, ECDSA", {{}, {ecdhe_ecdsa}, {secp256r1}, {}}, "P-256"},
        {"TLS 1.2 with SHA-1 alone", {{}, {ecdhe_rsa, ecdhe_ecdsa}, {secp256r1}, {pkcs1_sha1}}, "RSA 2048"},
        {"TLS 1.2 of whose signatures none is known", {{}, {ecdhe_rsa, ecdhe_ecdsa}, {}, {grease, 0x0302}}, ""},
        {"TLS 1.2 without a suite that authenticates", {{}, {0x00a8}, {secp256r1}, {ecdsa_256, pkcs1_256}}, ""},
    };
    for (const auto& row : table) {
        INFO(row.client);
        CHECK(taken(row.hello) == row.takes);
    }
}

TEST_CASE("a client of which nothing is known can use every certificate") {
    const client_support unknown;
    for (const auto type : {key_type::ec_p256, key_type::ec_p384, key_type::rsa_2048, key_type::ed25519})
        for (const auto version : {tls_version::tls_1_2, tls_version::tls_1_3})
            CHECK(supports(unknown, type, version));
}

TEST_CASE("what certificates may be signed with is what the client says of that alone") {
    const said without{{tls_1_3}, {aes_1_3}, {x25519}, {ecdsa_256}};
    CHECK(parsed(without).chain_signatures.has_all());
    auto with = without;
    with.chain = {pkcs1_256, ed25519, grease};
    const auto support = parsed(with);
    CHECK(support.chain_signatures.has(signature_scheme::rsa_pkcs1_sha256));
    CHECK(support.chain_signatures.has(signature_scheme::ed25519));
    CHECK_FALSE(support.chain_signatures.has(signature_scheme::ecdsa_secp256r1_sha256));
    CHECK(support.signatures.has(signature_scheme::ecdsa_secp256r1_sha256));
}

TEST_CASE("extensions about certificates that are cut anywhere, empty or of odd length are decode errors") {
    const auto whole = to_extension({ecdsa_256, pss_256});
    const auto versions = to_extension({tls_1_3, tls_1_2}, 1);
    const auto alert = [](std::optional<bytes_view> in_versions, std::optional<bytes_view> elsewhere, int where) {
        hello_fields hello;
        hello.supported_versions = in_versions;
        (where == 0       ? hello.supported_groups
             : where == 1 ? hello.signature_algorithms
                          : hello.signature_algorithms_cert) = elsewhere;
        client_support support;
        return parse_support(hello, support);
    };
    for (int where = 0; where < 3; ++where) {
        CHECK(alert({}, bytes_view{whole}, where) == 0);
        for (std::size_t length = 0; length < whole.size(); ++length) {
            INFO(where << " " << length);
            CHECK(alert({}, bytes_view{whole}.first(length), where) == SSL_AD_DECODE_ERROR);
        }
        const bytes odd{0, 3, 4, 3, 8}, none{0, 0};
        CHECK(alert({}, bytes_view{odd}, where) == SSL_AD_DECODE_ERROR);
        CHECK(alert({}, bytes_view{none}, where) == SSL_AD_DECODE_ERROR);
    }
    for (std::size_t length = 0; length < versions.size(); ++length) {
        INFO(length);
        CHECK(alert(bytes_view{versions}.first(length), {}, 0) == SSL_AD_DECODE_ERROR);
    }
}

TEST_CASE("every cipher suite of OpenSSL that authenticates by certificate counts for its kind of certificate") {
    const std::unique_ptr<SSL_CTX, openssl_free<SSL_CTX_free>> context{SSL_CTX_new(TLS_server_method())};
    REQUIRE(SSL_CTX_set_cipher_list(context.get(), "ALL:!PSK:!SRP:@SECLEVEL=0") == 1);
    const auto* const all = SSL_CTX_get_ciphers(context.get());
    REQUIRE(sk_SSL_CIPHER_num(all) > 30);
    for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
        const auto* const cipher = sk_SSL_CIPHER_value(all, i);
        INFO(SSL_CIPHER_get_name(cipher));
        const auto suite = SSL_CIPHER_get_protocol_id(cipher);
        CHECK(is_ecdsa_suite(suite) == (SSL_CIPHER_get_auth_nid(cipher) == NID_auth_ecdsa));
        CHECK(is_rsa_suite(suite) == (SSL_CIPHER_get_auth_nid(cipher) == NID_auth_rsa));
    }
}
