#include <openssl/err.h>

#include "catch.hpp"
#include "crypto/pem.hpp"
#include "crypto/verify.hpp"
#include "crypto/x509_builder.hpp"
#include "support.hpp"

using namespace evercert;
using namespace evercert::crypto_test;

namespace {

std::optional<error> refused(const certificate& cert, std::string_view roots, wall_time at = now) {
    return thrown_by([&] { verify_chain(cert, roots, at); });
}

}  // namespace

TEST_CASE("a chain is verified up to one of several roots") {
    const auto& ca = test_authority();
    const auto cert = ca.issue_certificate({"a.example"});
    const certificate other = make_root("Other Root", private_key::generate(), ten_years);
    CHECK_FALSE(refused(cert, ca.root.chain_pem()));
    CHECK_FALSE(refused(cert, other.chain_pem() + "text\n" + ca.root.chain_pem()));
    CHECK_FALSE(refused(cert, ca.root.chain_pem() + ca.root.chain_pem()));
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("a chain is verified at the given time, not at the machine's") {
    const auto& ca = test_authority();
    const validity in_2050{
        std::chrono::sys_days{std::chrono::January / 1 / 2050}, std::chrono::sys_days{std::chrono::June / 1 / 2050}};
    const certificate root = make_root("Late Root", private_key::generate(), in_2050);
    const certificate cert{issue({{"a.example"}, public_key{ca.server_key}, in_2050}, root), ca.server_key};
    CHECK_FALSE(refused(cert, root.chain_pem(), in_2050.not_before + std::chrono::days{9}));
    CHECK(refused(cert, root.chain_pem())->code() == errc::certificate_expired);
    const auto late = refused(cert, root.chain_pem(), in_2050.not_after + std::chrono::days{1});
    CHECK(late->code() == errc::certificate_expired);
    CHECK(mentions(late, "2050-06-02"));
}

TEST_CASE("an expired issuer ends a chain") {
    const auto& ca = test_authority();
    const validity one_day{now - std::chrono::days{2}, now - std::chrono::days{1}};
    const certificate issuer = make_intermediate("Expired", private_key::generate(), one_day, ca.root);
    const certificate cert{issue({{"a.example"}, public_key{ca.server_key}, ninety_days}, issuer), ca.server_key};
    const auto thrown = refused(cert, ca.root.chain_pem());
    CHECK(thrown->code() == errc::certificate_expired);
    CHECK(mentions(thrown, "certificate 2 of its chain"));
}

TEST_CASE("a chain to a root that is not trusted is incomplete") {
    const auto& ca = test_authority();
    const certificate stranger = make_root("Test Root", private_key::generate(), ten_years);
    const auto cert = ca.issue_certificate({"a.example"});
    const auto thrown = refused(cert, stranger.chain_pem());
    CHECK(thrown->code() == errc::chain_incomplete);
    CHECK(mentions(thrown, "a.example"));
    // The chain's own root is trusted no more for being sent.
    const certificate with_root{cert.chain_pem() + ca.root.chain_pem(), ca.server_key};
    CHECK(refused(with_root, stranger.chain_pem())->code() == errc::chain_incomplete);
}

TEST_CASE("a chain without its intermediate is incomplete") {
    const auto& ca = test_authority();
    const auto blocks = read_pem(ca.issue_pem({"a.example"}), errc::invalid_certificate);
    const certificate alone{write_pem("CERTIFICATE", blocks[0].der), ca.server_key};
    CHECK(refused(alone, ca.root.chain_pem())->code() == errc::chain_incomplete);
}

TEST_CASE("a self-signed certificate is not trusted") {
    const auto& ca = test_authority();
    const private_key key = private_key::generate();
    const certificate self = make_root("a.example", key, ten_years);
    CHECK(refused(self, ca.root.chain_pem())->code() == errc::chain_incomplete);
}

TEST_CASE("a certificate issued by a server's certificate is not trusted") {
    const auto& ca = test_authority();
    const auto server = ca.issue_certificate({"a.example"});
    const private_key key = private_key::generate();
    const certificate forged{issue({{"bank.example"}, public_key{key}, ninety_days}, server), key};
    CHECK(refused(forged, ca.root.chain_pem())->code() == errc::invalid_certificate);
}

TEST_CASE("a certificate for clients is not verified for a server") {
    const auto& ca = test_authority();
    const private_key key = private_key::generate();
    x509_builder builder;
    builder.serial({}).validity(ninety_days.not_before, ninety_days.not_after);
    builder.key(key.native_handle()).common_name("client");
    builder.extension(NID_ext_key_usage, "clientAuth").issued_by(ca.root.native_handle());
    const x509_ptr cert = builder.sign(ca.root.key());
    const certificate client{write_pem("CERTIFICATE", encode_der(i2d_X509, static_cast<const X509*>(cert.get()))), key};
    CHECK(refused(client, ca.root.chain_pem())->code() == errc::invalid_certificate);
}

TEST_CASE("roots that cannot be read are an error") {
    const auto cert = test_authority().issue_certificate({"a.example"});
    CHECK(mentions(refused(cert, ""), "no certificate"));
    CHECK(mentions(refused(cert, write_pem("CERTIFICATE", as_bytes("x"))), "cannot be used"));
    CHECK(ERR_peek_error() == 0);
}
