#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "catch.hpp"
#include "crypto/jws.hpp"
#include "support.hpp"
#include "vectors.hpp"

using namespace evercert;
using namespace evercert::crypto_test;
namespace json = boost::json;

namespace {

json::object parse(const std::string& text) { return json::parse(text).as_object(); }

std::string member(const json::object& object, const char* name) {
    return json::value_to<std::string>(object.at(name));
}

std::string decoded(const json::object& object, const char* name) {
    const auto data = base64url_decode(member(object, name));
    REQUIRE(data);
    return {data->begin(), data->end()};
}

std::string signing_input(const json::object& jws) { return member(jws, "protected") + '.' + member(jws, "payload"); }

bool verifies(const public_key& key, const json::object& jws) {
    const auto header = parse(decoded(jws, "protected"));
    return key.verify(member(header, "alg"), signing_input(jws), *base64url_decode(member(jws, "signature")));
}

json::object ec_jwk(const char* curve, std::string x, std::string y) {
    return {{"kty", "EC"}, {"crv", curve}, {"x", x}, {"y", y}};
}

json::object rsa_jwk(std::string n, std::string e) { return {{"kty", "RSA"}, {"n", n}, {"e", e}}; }

std::optional<error> refused(const json::object& jwk) {
    return thrown_by([&] { public_key::from_jwk(jwk); });
}

}  // namespace

TEST_CASE("RS256 signs the example of RFC 7515, appendix A.2, to the byte") {
    const private_key key = private_key::from_pem(vectors::rfc7515_a2_key);
    const auto jws = parse(sign_jws(key, {}, vectors::rfc7515_payload));
    CHECK(member(jws, "protected") == "eyJhbGciOiJSUzI1NiJ9");
    CHECK(member(jws, "payload") == vectors::rfc7515_payload_base64url);
    CHECK(member(jws, "signature") == vectors::rfc7515_a2_signature);
    CHECK(jws.size() == 3);
    CHECK(verifies(public_key::from_jwk(rsa_jwk(vectors::rfc7515_a2_n, "AQAB")), jws));
}

TEST_CASE("ES256 verifies the example of RFC 7515, appendix A.3") {
    const auto key = public_key::from_jwk(ec_jwk("P-256", vectors::rfc7515_a3_x, vectors::rfc7515_a3_y));
    const std::string input = std::string{"eyJhbGciOiJFUzI1NiJ9."} + vectors::rfc7515_payload_base64url;
    const bytes signature = *base64url_decode(vectors::rfc7515_a3_signature);
    CHECK(key.verify("ES256", input, signature));
    CHECK_FALSE(key.verify("ES256", input + "x", signature));
    CHECK_FALSE(key.verify("ES384", input, signature));
    CHECK_FALSE(key.verify("none", input, signature));
    CHECK_FALSE(key.verify("", input, {}));

    const private_key own = private_key::from_pem(vectors::rfc7515_a3_key);
    const auto jwk = to_jwk(own);
    CHECK(member(jwk, "x") == vectors::rfc7515_a3_x);
    CHECK(member(jwk, "y") == vectors::rfc7515_a3_y);
    CHECK(verifies(key, parse(sign_jws(own, {}, vectors::rfc7515_payload))));
}

TEST_CASE("EdDSA signs the example of RFC 8037, appendix A.4, to the byte") {
    const private_key key = private_key::from_pem(vectors::rfc8037_key);
    const auto jws = parse(sign_jws(key, {}, vectors::rfc8037_payload));
    CHECK(signing_input(jws) == vectors::rfc8037_signing_input);
    CHECK(member(jws, "signature") == vectors::rfc8037_signature);
    const json::object jwk{{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", vectors::rfc8037_x}};
    CHECK(verifies(public_key::from_jwk(jwk), jws));
    CHECK(sign_jws(key, {}, vectors::rfc8037_payload) == sign_jws(key, {}, vectors::rfc8037_payload));
}

TEST_CASE("the thumbprint of an RSA key is that of RFC 7638, section 3.1") {
    auto jwk = rsa_jwk(vectors::rfc7638_n, "AQAB");
    CHECK(public_key::from_jwk(jwk).thumbprint() == vectors::rfc7638_thumbprint);
    // The RFC's example has them too; they are not part of the thumbprint.
    jwk["alg"] = "RS256";
    jwk["kid"] = "2011-04-29";
    CHECK(public_key::from_jwk(jwk).thumbprint() == vectors::rfc7638_thumbprint);
}

TEST_CASE("the JWK and the thumbprint of an Ed25519 key are those of RFC 8037, appendix A") {
    const private_key key = private_key::from_pem(vectors::rfc8037_key);
    CHECK(
        json::serialize(to_jwk(key)) ==
        std::string{R"({"crv":"Ed25519","kty":"OKP","x":")"} + vectors::rfc8037_x + "\"}");
    CHECK(jwk_thumbprint(key) == vectors::rfc8037_thumbprint);
}

TEST_CASE("a JWK says nothing but the public key, in the thumbprint's order") {
    CHECK(
        json::serialize(to_jwk(private_key::from_pem(vectors::rfc7515_a2_key))) ==
        std::string{R"({"e":"AQAB","kty":"RSA","n":")"} + vectors::rfc7515_a2_n + "\"}");
    CHECK(
        json::serialize(to_jwk(private_key::from_pem(vectors::rfc7515_a3_key))) ==
        std::string{R"({"crv":"P-256","kty":"EC","x":")"} + vectors::rfc7515_a3_x + R"(","y":")" +
            vectors::rfc7515_a3_y + "\"}");
}

TEST_CASE("every type of key signs what its own JWK verifies") {
    const std::pair<key_type, const char*> types[] = {{key_type::ec_p256, "ES256"},  {key_type::ec_p384, "ES384"},
                                                      {key_type::rsa_2048, "RS256"}, {key_type::rsa_3072, "RS256"},
                                                      {key_type::rsa_4096, "RS256"}, {key_type::ed25519, "EdDSA"}};
    for (const auto& [type, algorithm] : types) {
        INFO(to_string(type));
        const private_key& key = key_of(type);
        CHECK(jws_algorithm(key) == algorithm);
        const auto verifier = public_key::from_jwk(to_jwk(key));
        CHECK(verifier.thumbprint() == jwk_thumbprint(key));
        CHECK(verifier.type() == type);
        // ECDSA's r and s have leading zeros once in 128 signatures.
        const int signatures = algorithm[0] == 'E' && algorithm[1] == 'S' ? 300 : 2;
        for (int i = 0; i < signatures; ++i) {
            const auto jws = parse(sign_jws(key, {{"nonce", std::to_string(i)}}, "{}"));
            if (!verifies(verifier, jws))
                FAIL("signature " << i);
        }
    }
}

TEST_CASE("a JWS of ACME has its header protected and its payload may be empty") {
    // RFC 8555, sections 6.2 and 6.3.
    const private_key key = private_key::generate();
    const json::object header{
        {"kid", "https://example.com/acme/acct/evOfKhNU60wg"},
        {"nonce", "uQpSjlRb4vQVCjVYAyyUWg"},
        {"url", "https://example.com/acme/cert/mAt3xBGaobw"}};
    const auto jws = parse(sign_jws(key, header, ""));
    CHECK(jws.size() == 3);
    CHECK(member(jws, "payload").empty());
    auto expected = header;
    expected["alg"] = "ES256";
    CHECK(parse(decoded(jws, "protected")) == expected);
    CHECK(verifies(public_key{key}, jws));
}

TEST_CASE("an alg that a caller puts into the header is replaced by the key's") {
    const private_key key = private_key::generate(key_type::ec_p384);
    const auto jws = parse(sign_jws(key, {{"alg", "none"}}, "x"));
    CHECK(decoded(jws, "protected") == R"({"alg":"ES384"})");
}

TEST_CASE("a key authorization is the token, a dot and the account key's thumbprint") {
    // RFC 8555, section 8.1, with the key of RFC 7638: its example's form.
    const auto key = public_key::from_jwk(rsa_jwk(vectors::rfc7638_n, "AQAB"));
    const std::string authorization = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA." + key.thumbprint();
    CHECK(
        authorization ==
        "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA."
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST_CASE("any change of a signature or another length of it is refused") {
    for (const key_type type : {key_type::ec_p256, key_type::rsa_2048, key_type::ed25519}) {
        const private_key key = private_key::generate(type);
        const public_key verifier{key};
        const std::string_view algorithm = jws_algorithm(key);
        const bytes good = sign_raw(key, "a.b");
        REQUIRE(verifier.verify(algorithm, "a.b", good));
        ERR_clear_error();
        for (std::size_t i = 0; i < good.size(); i += 7) {
            bytes bad = good;
            bad[i] ^= 1;
            CHECK_FALSE(verifier.verify(algorithm, "a.b", bad));
        }
        bytes longer = good;
        longer.push_back(0);
        CHECK_FALSE(verifier.verify(algorithm, "a.b", longer));
        CHECK_FALSE(verifier.verify(algorithm, "a.b", bytes_view{good}.first(good.size() - 1)));
        CHECK_FALSE(verifier.verify(algorithm, "a.b", {}));
        CHECK_FALSE(verifier.verify(algorithm, "a.b", bytes(good.size(), 0)));
        CHECK_FALSE(public_key{private_key::generate(type)}.verify(algorithm, "a.b", good));
        CHECK(ERR_peek_error() == 0);
    }
}

TEST_CASE("a JWK with a point that is not on the curve is refused") {
    // RFC 7515, appendix A.3, with one bit of y changed.
    bytes y = *base64url_decode(vectors::rfc7515_a3_y);
    y.back() ^= 1;
    const auto off = refused(ec_jwk("P-256", vectors::rfc7515_a3_x, base64url_encode(y)));
    CHECK(off->code() == errc::invalid_key);
    const std::string zero = base64url_encode(bytes(32, 0));
    CHECK(refused(ec_jwk("P-256", zero, zero)));
    const std::string all_ones = base64url_encode(bytes(32, 0xff));
    CHECK(refused(ec_jwk("P-256", all_ones, all_ones)));
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("a JWK that is malformed is refused with its reason") {
    const std::string x = vectors::rfc7515_a3_x;
    const std::string y = vectors::rfc7515_a3_y;
    CHECK(mentions(refused({}), "\"kty\""));
    CHECK(mentions(refused({{"kty", 1}}), "\"kty\""));
    CHECK(mentions(refused({{"kty", "oct"}, {"k", "AAAA"}}), "none of"));
    CHECK(mentions(refused(ec_jwk("P-521", x, y)), "curve"));
    CHECK(mentions(refused(ec_jwk("P-384", x, y)), "size"));
    CHECK(mentions(refused(ec_jwk("P-256", base64url_encode(bytes(31, 1)), y)), "size"));
    CHECK(mentions(refused(ec_jwk("P-256", "AA" + x, y)), "base64url"));
    CHECK(mentions(refused({{"kty", "EC"}, {"crv", "P-256"}, {"x", x}}), "\"y\""));
    CHECK(mentions(refused({{"kty", "OKP"}, {"crv", "X25519"}, {"x", x}}), "Ed25519"));
    CHECK(mentions(refused({{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", "AAAA"}}), "32 bytes"));
}

TEST_CASE("an RSA JWK of another size or shape than RSA's is refused") {
    const std::string n = vectors::rfc7515_a2_n;
    const bytes modulus = *base64url_decode(n);
    CHECK_FALSE(refused(rsa_jwk(n, "AQAB")));
    CHECK_FALSE(refused(rsa_jwk(n, "Aw")));
    CHECK(mentions(refused(rsa_jwk(n, "AQ")), "not one of RSA"));
    CHECK(mentions(refused(rsa_jwk(n, "AAEAAQ")), "not one of RSA"));
    CHECK(mentions(refused(rsa_jwk(n, "AQAA")), "not one of RSA"));
    CHECK(mentions(refused(rsa_jwk(n, "")), "not one of RSA"));
    CHECK(mentions(refused(rsa_jwk("", "AQAB")), "not one of RSA"));
    CHECK(mentions(refused(rsa_jwk(n, base64url_encode(bytes(9, 0xff)))), "too long"));
    CHECK(mentions(refused(rsa_jwk(base64url_encode(bytes(100'000, 0xff)), "AQAB")), "too long"));
    bytes even = modulus;
    even.back() &= 0xfe;
    CHECK(mentions(refused(rsa_jwk(base64url_encode(even), "AQAB")), "not one of RSA"));
    const bytes small(modulus.begin(), modulus.begin() + 128);
    bytes odd_small = small;
    odd_small.back() |= 1;
    const auto thrown = refused(rsa_jwk(base64url_encode(odd_small), "AQAB"));
    CHECK(thrown->code() == errc::invalid_key);
}
