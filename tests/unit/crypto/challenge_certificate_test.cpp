#include "catch.hpp"
#include "crypto/challenge_certificate.hpp"
#include "crypto/openssl.hpp"
#include "support.hpp"
#include "vectors.hpp"

using namespace evercert;
using namespace evercert::crypto_test;

namespace {

/// RFC 8555, section 8.3, with the thumbprint of RFC 7638.
const std::string key_authorization =
    std::string{"evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA."} + vectors::rfc7638_thumbprint;

/// The value of the extension, and whether it is critical; nothing unless it is there exactly once.
std::optional<std::pair<bytes, bool>> extension(const certificate& cert, const char* oid) {
    const asn1_object_ptr object{OBJ_txt2obj(oid, 1)};
    const int at = X509_get_ext_by_OBJ(cert.native_handle(), object.get(), -1);
    if (at < 0 || X509_get_ext_by_OBJ(cert.native_handle(), object.get(), at) >= 0)
        return {};
    X509_EXTENSION* found = X509_get_ext(cert.native_handle(), at);
    const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(found);
    const unsigned char* data = ASN1_STRING_get0_data(value);
    return std::pair{bytes(data, data + ASN1_STRING_length(value)), X509_EXTENSION_get_critical(found) == 1};
}

}  // namespace

TEST_CASE("a challenge certificate has the critical acmeIdentifier of RFC 8737, section 3") {
    const auto cert = make_challenge_certificate("a.example", key_authorization, now);
    const auto found = extension(*cert, "1.3.6.1.5.5.7.1.31");
    REQUIRE(found);
    CHECK(found->second);
    // OCTET STRING of 32 bytes: SHA-256 of the key authorization.
    bytes expected{0x04, 0x20};
    const auto digest = sha256(as_bytes(key_authorization));
    expected.insert(expected.end(), digest.begin(), digest.end());
    CHECK(found->first == expected);
    // As another implementation of SHA-256 has it.
    CHECK(base64url_encode(digest) == "ZTRx1Ckl1-tM05o5zaizTTA0yUy5AGereMgSNWC6Ll8");
}

TEST_CASE("a challenge certificate is for its name alone") {
    CHECK(make_challenge_certificate("a.example", "t.k", now)->names() == std::vector<identifier>{"a.example"});
    // RFC 8738, section 6: an iPAddress.
    for (const char* address : {"192.0.2.1", "2001:db8::1"}) {
        const auto cert = make_challenge_certificate(address, "t.k", now);
        CHECK(cert->names() == std::vector<identifier>{address});
        const auto names = extension(*cert, "2.5.29.17");
        REQUIRE(names);
        CHECK(names->first.at(2) == 0x87);
    }
}

TEST_CASE("a challenge certificate is self-signed, valid now and has a key of its own") {
    const auto one = make_challenge_certificate("a.example", "t.k", now);
    const auto two = make_challenge_certificate("a.example", "t.k", now);
    CHECK(X509_self_signed(one->native_handle(), 1) == 1);
    CHECK(one->not_before() < now);
    CHECK(one->not_after() > now);
    CHECK_FALSE(one->key() == two->key());
    verify_servable(*one, {"a.example"}, now);
}
