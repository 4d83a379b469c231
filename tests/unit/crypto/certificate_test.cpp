#include <openssl/err.h>

#include <evercert/certificate.hpp>

#include "catch.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_builder.hpp"
#include "support.hpp"

using namespace evercert;
using namespace evercert::crypto_test;

namespace {

/// The PEM blocks of a chain, one text each.
std::vector<std::string> blocks_of(const std::string& chain) {
    std::vector<std::string> blocks;
    for (const pem_block& block : read_pem(chain, errc::invalid_certificate))
        blocks.push_back(write_pem("CERTIFICATE", block.der));
    return blocks;
}

/// For certificates that no CA would sign: everything but what `finish` adds is in order.
std::string self_signed(const private_key& key, const std::invocable<x509_builder&> auto& finish) {
    x509_builder builder;
    builder.serial({}).validity(ninety_days.not_before, ninety_days.not_after);
    builder.key(key.native_handle()).common_name("x").self_issued();
    finish(builder);
    return write_pem("CERTIFICATE", encode_der(i2d_X509, static_cast<const X509*>(builder.sign(key).get())));
}

/// A subject alternative name extension with these bytes as its only DNS name.
bytes dns_name_extension(std::string_view name) {
    const auto size = static_cast<unsigned char>(name.size());
    std::string der{'\x30', static_cast<char>(size + 2), '\x82', static_cast<char>(size)};
    der += name;
    return {der.begin(), der.end()};
}

constexpr const char* subject_alternative_name = "2.5.29.17";

std::optional<error> refused(std::string_view chain, const private_key& key) {
    return thrown_by([&] { certificate{chain, key}; });
}

std::optional<error> not_servable(const certificate& cert, const std::vector<identifier>& names, wall_time at = now) {
    return thrown_by([&] { verify_servable(cert, names, at); });
}

}  // namespace

TEST_CASE("a certificate knows its names, dates, issuer and serial number") {
    const auto& ca = test_authority();
    const std::vector<identifier> names{"www.a.example", "*.a.example", "192.0.2.1", "2001:db8::1", "bücher.example"};
    const std::string pem = issue({names, public_key{ca.server_key}, ninety_days, bytes{0x04, 0xd2}}, ca.intermediate);
    const certificate cert{pem, ca.server_key};
    CHECK(cert.names() == names);
    CHECK(cert.not_before() == ninety_days.not_before);
    CHECK(cert.not_after() == ninety_days.not_after);
    CHECK(cert.issuer() == "Test Intermediate");
    CHECK(cert.serial() == "04d2");
    CHECK(cert.key() == ca.server_key);
    CHECK(cert.chain_pem() == pem);
    CHECK(blocks_of(pem).size() == 2);
    CHECK(cert.native_handle());
    CHECK(sk_X509_num(cert.native_chain()) == 1);
}

TEST_CASE("a certificate without a chain has an empty one") {
    const auto& ca = test_authority();
    CHECK(ca.root.native_chain());
    CHECK(sk_X509_num(ca.root.native_chain()) == 0);
    CHECK(ca.root.names().empty());
    CHECK(ca.root.issuer() == "Test Root");
}

TEST_CASE("certificates with keys of every type are read") {
    const auto& ca = test_authority();
    for (const key_type type : all_types) {
        INFO(to_string(type));
        const private_key& key = key_of(type);
        const certificate cert{issue({{"a.example"}, public_key{key}, ninety_days}, ca.intermediate), key};
        CHECK_FALSE(not_servable(cert, {"a.example"}));
        CHECK(cert.key().type() == type);
    }
}

TEST_CASE("text around the blocks of a chain is skipped") {
    const auto& ca = test_authority();
    const auto blocks = blocks_of(ca.issue_pem({"a.example"}));
    const std::string with_text =
        "subject=CN = a.example\n\n" + blocks[0] + "\nissuer:\n-----\n" + blocks[1] + "that was all";
    const certificate cert{with_text, ca.server_key};
    CHECK(cert.chain_pem() == blocks[0] + blocks[1]);
}

TEST_CASE("a name is covered exactly, or by a wildcard for one label") {
    const auto cert = test_authority().issue_certificate({"a.example", "*.b.example", "192.0.2.1"});
    CHECK(cert.covers("a.example"));
    CHECK(cert.covers("A.example."));
    CHECK(cert.covers("x.b.example"));
    CHECK(cert.covers("*.b.example"));
    CHECK(cert.covers("192.0.2.1"));
    CHECK_FALSE(cert.covers("b.example"));
    CHECK_FALSE(cert.covers("x.y.b.example"));
    CHECK_FALSE(cert.covers("x.a.example"));
    CHECK_FALSE(cert.covers("*.a.example"));
    CHECK_FALSE(cert.covers("192.0.2.2"));
    CHECK_FALSE(cert.covers("::1"));
}

TEST_CASE("a key of another certificate is refused") {
    const auto& ca = test_authority();
    const std::string chain = ca.issue_pem({"a.example"});
    const auto thrown = refused(chain, private_key::generate());
    CHECK(thrown->code() == errc::key_mismatch);
    CHECK(mentions(thrown, "a.example"));
    CHECK(refused(chain, key_of(key_type::rsa_2048))->code() == errc::key_mismatch);
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("what is not a chain of certificates is refused with its reason") {
    const auto& ca = test_authority();
    const std::string chain = ca.issue_pem({"a.example"});
    const auto reason = [&](std::string_view text) { return refused(text, ca.server_key); };
    CHECK(mentions(reason(""), "no certificate"));
    CHECK(mentions(reason("not found"), "no certificate"));
    CHECK(mentions(reason(std::string_view("\0\xff\x30\x82", 4)), "no certificate"));
    CHECK(mentions(reason(chain.substr(0, chain.size() - 30)), "block 2 is damaged"));
    CHECK(mentions(reason(chain.substr(0, 100)), "block 1 is damaged"));
    CHECK(mentions(reason(write_pem("CERTIFICATE", as_bytes("garbage"))), "cannot be parsed"));
    CHECK(mentions(reason(std::string(1'000'000, '-')), "larger"));
    // RFC 8555, section 11.4.
    CHECK(mentions(reason(chain + ca.server_key.to_pem()), "\"PRIVATE KEY\""));
    CHECK(mentions(reason(write_pem("X509 CRL", as_bytes("x"))), "\"X509 CRL\""));
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("a certificate cut off anywhere, or longer, is refused") {
    const auto& ca = test_authority();
    const bytes der = read_pem(ca.issue_pem({"a.example"}), errc::invalid_certificate)[0].der;
    for (std::size_t size = 1; size < der.size(); ++size) {
        if (!refused(write_pem("CERTIFICATE", bytes_view{der}.first(size)), ca.server_key))
            FAIL("accepted with " << size << " bytes");
    }
    bytes longer = der;
    longer.push_back(0);
    CHECK(refused(write_pem("CERTIFICATE", longer), ca.server_key)->code() == errc::invalid_certificate);
}

TEST_CASE("no byte that is changed in a certificate makes it servable or a crash") {
    const auto& ca = test_authority();
    const auto blocks = blocks_of(ca.issue_pem({"a.example"}));
    const bytes der = read_pem(blocks[0], errc::invalid_certificate)[0].der;
    for (std::size_t i = 0; i < der.size(); ++i) {
        bytes changed = der;
        changed[i] ^= 0x41;
        const auto thrown = thrown_by([&] {
            const certificate cert{write_pem("CERTIFICATE", changed) + blocks[1], ca.server_key};
            verify_servable(cert, {"a.example"}, now);
        });
        if (!thrown)
            FAIL("byte " << i);
    }
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("a chain of more than ten certificates is refused") {
    const auto& ca = test_authority();
    const auto blocks = blocks_of(ca.issue_pem({"a.example"}));
    std::string chain = blocks[0];
    for (std::size_t i = 1; i < certificate::chain_max; ++i)
        chain += blocks[1];
    CHECK_FALSE(refused(chain, ca.server_key));
    CHECK(mentions(refused(chain + blocks[1], ca.server_key), "11 certificates"));
}

TEST_CASE("a NUL in a name is refused") {
    const private_key key = private_key::generate();
    const auto with_name = [&](std::string_view name) {
        return self_signed(key, [&](x509_builder& builder) {
            builder.extension(subject_alternative_name, dns_name_extension(name), false);
        });
    };
    CHECK(certificate{with_name("good.example"), key}.covers("good.example"));
    const auto thrown = refused(with_name(std::string_view("good.example\0.evil.example", 26)), key);
    CHECK(thrown->code() == errc::invalid_certificate);
    CHECK(
        refused(
            with_name("b\xc3\xbc"
                      "cher.example"),
            key)
            ->code() == errc::invalid_certificate);
    CHECK(refused(with_name("a b.example"), key)->code() == errc::invalid_certificate);
}

TEST_CASE("names that are no identifiers are left out") {
    const private_key key = private_key::generate();
    const std::string pem = self_signed(key, [](x509_builder& builder) {
        builder.extension(
            NID_subject_alt_name,
            "DNS:localhost,email:x@a.example,DNS:_x.a.example,DNS:a.example,URI:https://b.example,"
            "IP:192.0.2.1");
    });
    CHECK(certificate{pem, key}.names() == std::vector<identifier>{"a.example", "192.0.2.1"});
}

TEST_CASE("malformed or doubled names are refused") {
    const private_key key = private_key::generate();
    const auto names = dns_name_extension("a.example");
    const std::string twice = self_signed(key, [&](x509_builder& builder) {
        builder.extension(subject_alternative_name, names, false);
        builder.extension(subject_alternative_name, names, false);
    });
    CHECK(refused(twice, key)->code() == errc::invalid_certificate);
    const std::string malformed = self_signed(key, [&](x509_builder& builder) {
        builder.extension(subject_alternative_name, bytes{0x30, 0x10, 0x82}, false);
    });
    CHECK(refused(malformed, key)->code() == errc::invalid_certificate);
    const std::string short_address = self_signed(key, [&](x509_builder& builder) {
        builder.extension(subject_alternative_name, bytes{0x30, 0x04, 0x87, 0x02, 1, 2}, false);
    });
    CHECK(refused(short_address, key)->code() == errc::invalid_certificate);
}

TEST_CASE("dates before 1970 and after 2049 are read") {
    using namespace std::chrono;
    const auto& ca = test_authority();
    const validity odd{sys_days{January / 1 / 1955}, sys_days{March / 1 / 2100} + hours{5}};
    const auto cert = ca.issue_certificate({"a.example"}, odd);
    CHECK(cert.not_before() == odd.not_before);
    CHECK(cert.not_after() == odd.not_after);
}

TEST_CASE("a certificate without an end ends when time does") {
    // RFC 5280, section 4.1.2.5: 99991231235959Z.
    const private_key key = private_key::generate();
    x509_builder builder;
    builder.serial({}).validity(now, now).key(key.native_handle());
    builder.common_name("x").self_issued();
    const x509_ptr cert = builder.sign(key);
    const asn1_time_ptr end{ASN1_TIME_new()};
    REQUIRE(ASN1_TIME_set_string(end.get(), "99991231235959Z") == 1);
    REQUIRE(X509_set1_notAfter(cert.get(), end.get()) == 1);
    REQUIRE(X509_sign(cert.get(), key.native_handle(), EVP_sha256()) > 0);
    const certificate parsed{write_pem("CERTIFICATE", encode_der(i2d_X509, static_cast<const X509*>(cert.get()))), key};
    CHECK(parsed.not_after() == wall_time::max());
}

TEST_CASE("a certificate is servable for all its names while it is valid") {
    const auto cert = test_authority().issue_certificate({"a.example", "*.b.example"});
    CHECK_FALSE(not_servable(cert, {"a.example", "x.b.example"}));
    CHECK_FALSE(not_servable(cert, {}));
    CHECK_FALSE(not_servable(cert, {"a.example"}, cert.not_before()));
    CHECK_FALSE(not_servable(cert, {"a.example"}, cert.not_after()));
}

TEST_CASE("a certificate for other names is not servable") {
    const auto cert = test_authority().issue_certificate({"a.example"});
    const auto thrown = not_servable(cert, {"a.example", "c.example"});
    CHECK(thrown->code() == errc::name_mismatch);
    CHECK(mentions(thrown, "not for c.example but for a.example"));
}

TEST_CASE("a certificate outside its validity is not servable") {
    const auto cert = test_authority().issue_certificate({"a.example"});
    const auto early = not_servable(cert, {"a.example"}, cert.not_before() - std::chrono::seconds{1});
    CHECK(early->code() == errc::certificate_expired);
    CHECK(mentions(early, "not valid before 2026-05-31 23:00:00 UTC"));
    CHECK(mentions(early, "clock"));
    const auto late = not_servable(cert, {"a.example"}, cert.not_after() + std::chrono::seconds{1});
    CHECK(late->code() == errc::certificate_expired);
    CHECK(mentions(late, "expired at 2026-08-30 00:00:00 UTC"));
}

TEST_CASE("a chain out of order, with a gap or of strangers is not servable") {
    const auto& ca = test_authority();
    const auto blocks = blocks_of(ca.issue_pem({"a.example"}));
    const std::string root = ca.root.chain_pem();
    const auto with_chain = [&](const std::string& chain) {
        return not_servable(certificate{chain, ca.server_key}, {"a.example"});
    };
    CHECK_FALSE(with_chain(blocks[0]));
    CHECK_FALSE(with_chain(blocks[0] + blocks[1]));
    CHECK_FALSE(with_chain(blocks[0] + blocks[1] + root));
    const auto gap = with_chain(blocks[0] + root);
    CHECK(gap->code() == errc::chain_incomplete);
    CHECK(mentions(gap, "\"Test Root\""));
    CHECK(mentions(gap, "\"Test Intermediate\""));
    CHECK(with_chain(blocks[0] + root + blocks[1])->code() == errc::chain_incomplete);
    CHECK(with_chain(blocks[0] + blocks[1] + blocks[1])->code() == errc::chain_incomplete);
    CHECK(with_chain(blocks[0] + blocks[0])->code() == errc::chain_incomplete);
    // In front of its own chain stands a certificate of another key.
    CHECK(refused(blocks[1] + blocks[0], ca.server_key)->code() == errc::key_mismatch);
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("an issuer of the same name but another key did not issue the certificate") {
    const auto& ca = test_authority();
    const certificate impostor = make_intermediate("Test Intermediate", private_key::generate(), ten_years, ca.root);
    const auto leaf = blocks_of(ca.issue_pem({"a.example"}))[0];
    const certificate cert{leaf + blocks_of(impostor.chain_pem())[0], ca.server_key};
    CHECK(not_servable(cert, {"a.example"})->code() == errc::chain_incomplete);
}

TEST_CASE("a certificate for clients is not servable") {
    const private_key key = private_key::generate();
    const std::string pem = self_signed(key, [](x509_builder& builder) {
        builder.extension(NID_ext_key_usage, "clientAuth").names({"a.example"}, false);
    });
    const auto thrown = not_servable({pem, key}, {"a.example"});
    CHECK(thrown->code() == errc::invalid_certificate);
    CHECK(mentions(thrown, "extended key usage"));
}
