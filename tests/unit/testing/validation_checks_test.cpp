#include "catch.hpp"
#include "crypto/challenge_certificate.hpp"
#include "crypto/issue.hpp"
#include "crypto/openssl.hpp"
#include "testing/routes.hpp"
#include "testing/validation_checks.hpp"

using namespace evercert;
using namespace evercert::testing;

namespace {

const wall_time now = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};

std::string outcome(const std::optional<problem>& found) {
    return found ? found->type.substr(found->type.rfind(':') + 1) : "valid";
}

std::string http_01(int status, std::string body) {
    return outcome(check_http_01(response{status, std::move(body)}, "token.thumb"));
}

std::string tls_alpn_01(const certificate& presented, const identifier& name) {
    return outcome(check_tls_alpn_01(presented.native_handle(), "acme-tls/1", name, "token.thumb"));
}

}  // namespace

TEST_CASE("http-01 wants the key authorization, and forgives white space at its end") {
    CHECK(http_01(200, "token.thumb") == "valid");
    CHECK(http_01(200, "token.thumb \r\n\t") == "valid");
    CHECK(http_01(200, " token.thumb") == "incorrectResponse");
    CHECK(http_01(200, "token.thumbs") == "incorrectResponse");
    CHECK(http_01(200, "token") == "incorrectResponse");
    CHECK(http_01(200, "") == "incorrectResponse");
    CHECK(http_01(404, "token.thumb") == "unauthorized");
    CHECK(http_01(302, "token.thumb") == "unauthorized");
}

TEST_CASE("tls-alpn-01 takes the certificate of RFC 8737 for names and addresses") {
    for (const auto* name : {"a.test", "192.0.2.1", "2001:db8::1"}) {
        CAPTURE(name);
        CHECK(tls_alpn_01(*make_challenge_certificate(name, "token.thumb", now), name) == "valid");
        CHECK(tls_alpn_01(*make_challenge_certificate(name, "token.thumbs", now), name) == "incorrectResponse");
        CHECK(tls_alpn_01(*make_challenge_certificate(name, "token.thumb", now), "b.test") == "incorrectResponse");
    }
    CHECK(
        tls_alpn_01(*make_challenge_certificate("192.0.2.1", "token.thumb", now), "192.0.2.2") == "incorrectResponse");
}

TEST_CASE("tls-alpn-01 refuses an ordinary certificate, none at all, and another protocol") {
    const auto key = private_key::generate();
    const auto root_key = private_key::generate();
    const auto root = make_root("root", root_key, {now, now + std::chrono::days{1}});
    const auto pem = issue({{"a.test"}, public_key{key}, {now, now + std::chrono::days{1}}}, root);
    CHECK(tls_alpn_01(certificate{pem, key}, "a.test") == "incorrectResponse");
    CHECK(tls_alpn_01(root, "a.test") == "incorrectResponse");
    CHECK(outcome(check_tls_alpn_01(nullptr, "acme-tls/1", "a.test", "token.thumb")) == "tls");
    const auto good = make_challenge_certificate("a.test", "token.thumb", now);
    CHECK(outcome(check_tls_alpn_01(good->native_handle(), "", "a.test", "token.thumb")) == "tls");
    CHECK(outcome(check_tls_alpn_01(good->native_handle(), "h2", "a.test", "token.thumb")) == "tls");
}

namespace {

/// A challenge certificate that was changed and signed again by the same key.
std::string after_change(void (*change)(X509*)) {
    const auto good = make_challenge_certificate("a.test", "token.thumb", now);
    const x509_ptr changed{X509_dup(good->native_handle())};
    change(changed.get());
    REQUIRE(X509_sign(changed.get(), good->key().native_handle(), EVP_sha256()) > 0);
    return outcome(check_tls_alpn_01(changed.get(), "acme-tls/1", "a.test", "token.thumb"));
}

int find_acme_identifier(X509* in) {
    const asn1_object_ptr kind{OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1)};
    return X509_get_ext_by_OBJ(in, kind.get(), -1);
}

}  // namespace

TEST_CASE("tls-alpn-01 refuses a certificate that differs in one thing") {
    CHECK(after_change([](X509*) {}) == "valid");
    CHECK(after_change([](X509* x) {
              X509_EXTENSION_set_critical(X509_get_ext(x, find_acme_identifier(x)), 0);
          }) == "incorrectResponse");
    CHECK(after_change([](X509* x) {
              const x509_extension_ptr gone{X509_delete_ext(x, find_acme_identifier(x))};
          }) == "incorrectResponse");
    CHECK(after_change([](X509* x) {
              X509_add_ext(x, X509_get_ext(x, find_acme_identifier(x)), -1);
          }) == "incorrectResponse");
    CHECK(after_change([](X509* x) {
              X509_add_ext(x, X509_get_ext(x, X509_get_ext_by_NID(x, NID_subject_alt_name, -1)), -1);
          }) == "incorrectResponse");
    CHECK(after_change([](X509* x) {
              const x509_extension_ptr gone{X509_delete_ext(x, X509_get_ext_by_NID(x, NID_subject_alt_name, -1))};
          }) == "incorrectResponse");
    CHECK(after_change([](X509* x) {
              X509_NAME_add_entry_by_txt(
                  X509_get_issuer_name(x), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("x"), -1, -1, 0);
          }) == "incorrectResponse");
}

TEST_CASE("a certificate that somebody else signed is not self-signed") {
    const auto good = make_challenge_certificate("a.test", "token.thumb", now);
    const x509_ptr forged{X509_dup(good->native_handle())};
    const auto other = private_key::generate();
    REQUIRE(X509_sign(forged.get(), other.native_handle(), EVP_sha256()) > 0);
    CHECK(outcome(check_tls_alpn_01(forged.get(), "acme-tls/1", "a.test", "token.thumb")) == "incorrectResponse");
}

TEST_CASE("every resource has a path and a name of its own") {
    for (std::size_t i = 0; i < resource_count; ++i) {
        const auto what = static_cast<resource>(i);
        CHECK(parse_resource(to_string(what)) == what);
        const auto path = to_path({what, 7, "a.b"});
        const auto back = parse_route(path);
        REQUIRE(back);
        CHECK(back->what == what);
    }
    CHECK_THROWS_AS(parse_resource("new-order"), error);
}
