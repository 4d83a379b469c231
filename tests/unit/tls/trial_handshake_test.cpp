#include <openssl/err.h>
#include <openssl/rsa.h>

#include <evercert/error.hpp>

#include "catch.hpp"
#include "crypto/issue.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_builder.hpp"
#include "tls/trial_handshake.hpp"

using namespace evercert;

namespace {

/// 2026-06-01 00:00 UTC.
constexpr wall_time now = std::chrono::sys_days{std::chrono::June / 1 / 2026};
constexpr validity ten_years{now - std::chrono::days{1}, now + std::chrono::days{3650}};
constexpr validity ninety_days{now - std::chrono::hours{1}, now + std::chrono::days{90}};

std::string to_pem(const x509_ptr& cert) {
    return write_pem("CERTIFICATE", encode_der(i2d_X509, static_cast<const X509*>(cert.get())));
}

struct authority {
    certificate root = make_root("Test Root", private_key::generate(), ten_years);
    certificate intermediate = make_intermediate("Test Intermediate", private_key::generate(), ten_years, root);

    std::string chain(std::vector<identifier> names, const private_key& key, const validity& valid = ninety_days) {
        return issue({std::move(names), public_key{key}, valid}, intermediate);
    }
    certificate_ptr issue_for(
        std::vector<identifier> names, key_type type = key_type::ec_p256, const validity& valid = ninety_days) {
        const auto key = private_key::generate(type);
        return std::make_shared<const certificate>(chain(std::move(names), key, valid), key);
    }
};

/// A chain whose intermediate has this key, which signs with this digest.
certificate_ptr weak_chain(EVP_PKEY* weak, const EVP_MD* digest) {
    authority ca;
    x509_builder above;
    above.serial({}).validity(ten_years.not_before, ten_years.not_after).key(weak).common_name("Weak");
    above.extension(NID_basic_constraints, "critical,CA:TRUE").extension(NID_subject_key_identifier, "hash");
    const auto intermediate = above.issued_by(ca.root.native_handle()).sign(ca.root.key());

    const auto key = private_key::generate();
    x509_builder builder;
    builder.serial({}).validity(ninety_days.not_before, ninety_days.not_after).key(key.native_handle());
    builder.issued_by(intermediate.get()).names({"a.test"}, true);
    const auto leaf = builder.sign(key);
    REQUIRE(X509_sign(leaf.get(), weak, digest) > 0);
    return std::make_shared<const certificate>(to_pem(leaf) + to_pem(intermediate), key);
}

/// What the handshake throws; no error if it does not.
std::pair<std::error_code, std::string> tried(const certificate_ptr& cert, const identifier& name, wall_time at = now) {
    std::pair<std::error_code, std::string> result;
    try {
        verify_in_handshake(cert, name, at);
    } catch (const error& e) {
        result = {e.code(), e.what()};
    }
    // Whatever it found, the next TLS operation on this thread must not take it for its own.
    CHECK(ERR_peek_error() == 0);
    return result;
}

bool mentions(const std::pair<std::error_code, std::string>& thrown, std::string_view part) {
    return thrown.second.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a certificate with a key of any type is served") {
    authority ca;
    for (const auto type : {key_type::ec_p256, key_type::ec_p384, key_type::rsa_2048, key_type::ed25519}) {
        INFO(to_string(type));
        const auto cert = ca.issue_for({"a.test", "b.test"}, type);
        CHECK(tried(cert, "a.test").second == "");
        CHECK(tried(cert, "b.test").second == "");
    }
}

TEST_CASE("a certificate for an IP address is served to clients that send no server name") {
    authority ca;
    const auto cert = ca.issue_for({"192.0.2.1", "2001:db8::1"});
    CHECK(tried(cert, "192.0.2.1").second == "");
    CHECK(tried(cert, "2001:db8::1").second == "");
    CHECK(tried(cert, "192.0.2.2").first == errc::name_mismatch);
}

TEST_CASE("a wildcard certificate is served for a name under it, as long as that may be") {
    authority ca;
    CHECK(tried(ca.issue_for({"*.a.test"}), "*.a.test").second == "");
    CHECK(tried(ca.issue_for({"*.a.test"}), "www.a.test").second == "");
    CHECK(tried(ca.issue_for({"*.a.test"}), "a.test").first == errc::name_mismatch);
    std::string longest = "*";
    while (longest.size() + 51 <= 248)
        longest += "." + std::string(50, 'x');
    longest += "." + std::string(253 - longest.size() - 1, 'y');
    REQUIRE(longest.size() == 253);
    CHECK(tried(ca.issue_for({longest}), longest).second == "");
}

TEST_CASE("a certificate without a chain is served") {
    const auto key = private_key::generate();
    x509_builder builder;
    builder.serial({}).validity(ninety_days.not_before, ninety_days.not_after).key(key.native_handle());
    builder.common_name("x").self_issued().names({"a.test"}, false);
    CHECK(tried(std::make_shared<const certificate>(to_pem(builder.sign(key)), key), "a.test").second == "");
}

TEST_CASE("a certificate for other names is refused, and the common name does not count") {
    authority ca;
    const auto thrown = tried(ca.issue_for({"a.test"}), "b.test");
    CHECK(thrown.first == errc::name_mismatch);
    CHECK(mentions(thrown, "a.test"));
    CHECK(mentions(thrown, "asked for b.test"));

    const auto key = private_key::generate();
    x509_builder builder;
    builder.serial({}).validity(ninety_days.not_before, ninety_days.not_after).key(key.native_handle());
    builder.common_name("b.test").self_issued();
    CHECK(
        tried(std::make_shared<const certificate>(to_pem(builder.sign(key)), key), "b.test").first ==
        errc::name_mismatch);
}

TEST_CASE("a certificate is refused before and after its time, which is the caller's and not the system's") {
    authority ca;
    const auto cert = ca.issue_for({"a.test"});
    const auto early = tried(cert, "a.test", ninety_days.not_before - std::chrono::hours{1});
    CHECK(early.first == errc::certificate_expired);
    CHECK(mentions(early, "not yet valid"));
    const auto late = tried(cert, "a.test", ninety_days.not_after + std::chrono::hours{1});
    CHECK(late.first == errc::certificate_expired);
    CHECK(mentions(late, "has expired"));
    CHECK(tried(cert, "a.test", ninety_days.not_after - std::chrono::hours{1}).second == "");
}

TEST_CASE("a chain that is out of order or has a gap is refused") {
    authority ca;
    const auto key = private_key::generate();
    const auto leaf =
        write_pem("CERTIFICATE", read_pem(ca.chain({"a.test"}, key), errc::invalid_certificate).front().der);
    const auto intermediate = ca.intermediate.chain_pem(), root = ca.root.chain_pem();
    const auto served = [&](const std::string& chain) {
        return tried(std::make_shared<const certificate>(chain, key), "a.test");
    };
    CHECK(served(leaf + intermediate + root).second == "");
    CHECK(served(leaf + root + intermediate).first == errc::chain_incomplete);
    CHECK(served(leaf + root).first == errc::chain_incomplete);
    const authority other;
    CHECK(served(leaf + other.intermediate.chain_pem()).first == errc::chain_incomplete);
}

TEST_CASE("a certificate whose signature is damaged is refused") {
    authority ca;
    const auto key = private_key::generate();
    auto blocks = read_pem(ca.chain({"a.test"}, key), errc::invalid_certificate);
    blocks.front().der.back() ^= 0x01;
    const auto chain = write_pem("CERTIFICATE", blocks[0].der) + write_pem("CERTIFICATE", blocks[1].der);
    const auto thrown = tried(std::make_shared<const certificate>(chain, key), "a.test");
    CHECK(thrown.first == errc::invalid_certificate);
    CHECK(mentions(thrown, "signature failure"));
}

TEST_CASE("what OpenSSL finds too weak to serve is refused: a signature with SHA-1") {
    const auto key = private_key::generate();
    const auto thrown = tried(weak_chain(key.native_handle(), EVP_sha1()), "a.test");
    CHECK(thrown.first == errc::invalid_certificate);
    CHECK(mentions(thrown, "a server cannot use the certificate"));
    CHECK(mentions(thrown, "too weak"));
}

TEST_CASE("what OpenSSL finds too weak to serve is refused: an issuer with a key of 512 bits") {
    const evp_pkey_ptr key{EVP_RSA_gen(512)};
    REQUIRE(key);
    const auto thrown = tried(weak_chain(key.get(), EVP_sha256()), "a.test");
    CHECK(thrown.first == errc::invalid_certificate);
    CHECK(mentions(thrown, "key too small"));
}

TEST_CASE("an issuer with a large key of the same kind is served") {
    const evp_pkey_ptr key{EVP_RSA_gen(2048)};
    REQUIRE(key);
    CHECK(tried(weak_chain(key.get(), EVP_sha256()), "a.test").second == "");
}

TEST_CASE("a certificate that is for clients alone is refused") {
    const auto key = private_key::generate();
    x509_builder builder;
    builder.serial({}).validity(ninety_days.not_before, ninety_days.not_after).key(key.native_handle());
    builder.extension(NID_ext_key_usage, "clientAuth").common_name("x").self_issued().names({"a.test"}, false);
    const auto thrown = tried(std::make_shared<const certificate>(to_pem(builder.sign(key)), key), "a.test");
    CHECK(thrown.first == errc::invalid_certificate);
    CHECK(mentions(thrown, "purpose"));
}
