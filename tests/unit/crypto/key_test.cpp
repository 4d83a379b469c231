#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <evercert/key.hpp>

#include "catch.hpp"
#include "crypto/encoding.hpp"
#include "openssl_command.hpp"
#include "support.hpp"
#include "temp_folder.hpp"
#include "vectors.hpp"

using namespace evercert;
using namespace evercert::crypto_test;

namespace {

std::string between(const std::string& pem, std::string_view label, std::string_view body) {
    return pem + "-----BEGIN " + std::string{label} + "-----\n" + std::string{body} + "-----END " + std::string{label} +
        "-----\n";
}

std::optional<error> refused(std::string_view pem) {
    return thrown_by([pem] { private_key::from_pem(pem); });
}

}  // namespace

TEST_CASE("a key of every type survives PEM and DER") {
    for (const key_type type : all_types) {
        INFO(to_string(type));
        const private_key& key = key_of(type);
        CHECK(key.type() == type);
        const std::string pem = key.to_pem();
        CHECK(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        const private_key again = private_key::from_pem(pem);
        CHECK(again == key);
        CHECK(again.type() == type);
        CHECK(again.to_pem() == pem);
        CHECK(private_key::from_der(key.to_der()) == key);
    }
}

TEST_CASE("two keys of one type are different keys") {
    CHECK_FALSE(private_key::generate() == private_key::generate());
    CHECK_FALSE(private_key::generate(key_type::ec_p256) == private_key::generate(key_type::ed25519));
}

TEST_CASE("SEC1 and PKCS#1 keys are read and written as PKCS#8") {
    const private_key rsa = private_key::from_pem(vectors::rfc7515_a2_key);
    CHECK(rsa.type() == key_type::rsa_2048);
    const private_key ec = private_key::from_pem(vectors::rfc7515_a3_key);
    CHECK(ec.type() == key_type::ec_p256);
    CHECK(private_key::from_pem(ec.to_pem()) == ec);
    CHECK(ec.to_pem().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    CHECK(private_key::from_pem(vectors::rfc8037_key).type() == key_type::ed25519);
}

TEST_CASE("a key is found among other blocks and text") {
    const private_key key = private_key::from_pem(vectors::rfc7515_a3_key);
    const std::string with_text =
        std::string{"Bag Attributes\n  friendlyName: x\r\n\n"} + vectors::rfc7515_a3_key + "\ntrailing text";
    CHECK(private_key::from_pem(with_text) == key);
    // As `openssl ecparam -genkey` writes it.
    const std::string after_parameters = between({}, "EC PARAMETERS", "BggqhkjOPQMBBw==\n") + vectors::rfc7515_a3_key;
    CHECK(private_key::from_pem(after_parameters) == key);
    std::string with_crlf;
    for (const char c : std::string_view{vectors::rfc7515_a3_key})
        with_crlf += c == '\n' ? std::string{"\r\n"} : std::string{c};
    CHECK(private_key::from_pem(with_crlf) == key);
}

TEST_CASE("what is not one private key is refused with its reason") {
    CHECK(refused("")->code() == errc::invalid_key);
    CHECK(mentions(refused(""), "holds no private key"));
    CHECK(mentions(refused("hello"), "holds no private key"));
    CHECK(mentions(refused(test_authority().root.chain_pem()), "holds no private key"));
    const std::string key = vectors::rfc7515_a3_key;
    CHECK(mentions(refused(key + vectors::rfc8037_key), "more than one"));
    CHECK(mentions(refused(key.substr(0, key.size() / 2)), "damaged or cut off"));
    CHECK(mentions(refused("-----BEGIN PRIVATE KEY-----\n"), "damaged or cut off"));
    CHECK(mentions(refused(between({}, "PRIVATE KEY", "AAAA\n")), "cannot be read"));
    CHECK(mentions(refused(between({}, "PRIVATE KEY", "")), "damaged or cut off"));
    CHECK(mentions(refused(between({}, "PRIVATE KEY", "!!!!\n")), "damaged or cut off"));
    CHECK(mentions(refused(std::string(1'000'000, 'x')), "larger"));
}

TEST_CASE("a key cut off anywhere is refused") {
    const std::string pem = vectors::rfc7515_a3_key;
    const std::size_t end = pem.rfind("-----");
    for (std::size_t size = 0; size < end; size += 3) {
        INFO(size);
        CHECK(code_of([&] { private_key::from_pem(pem.substr(0, size)); }) == errc::invalid_key);
    }
    const bytes der = private_key::from_pem(pem).to_der();
    for (std::size_t size = 0; size < der.size(); ++size) {
        INFO(size);
        CHECK(code_of([&] { private_key::from_der(bytes_view{der}.first(size)); }) == errc::invalid_key);
    }
    bytes longer = der;
    longer.push_back(0);
    CHECK(code_of([&] { private_key::from_der(longer); }) == errc::invalid_key);
}

TEST_CASE("a public half of another key is noticed") {
    const private_key key = private_key::from_pem(vectors::rfc7515_a3_key);
    bytes der = key.to_der();
    const bytes other = private_key::generate().to_der();
    // Both end with the 65 bytes of the public point.
    REQUIRE(der.size() == other.size());
    std::copy(other.end() - 65, other.end(), der.end() - 65);
    const auto thrown = thrown_by([&] { private_key::from_der(der); });
    CHECK(mentions(thrown, "public half"));
}

TEST_CASE("an encrypted key is an error that says so, and asks nobody for a passphrase") {
    // RFC 1421 headers, as of `openssl rsa -aes128 -traditional`.
    const std::string legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
                               "DEK-Info: AES-128-CBC,2B7E151628AED2A6ABF7158809CF4F3C\n\nAAAAAAAAAAAAAAAAAAAAAA==\n"
                               "-----END RSA PRIVATE KEY-----\n";
    CHECK(mentions(refused(legacy), "openssl pkey"));
    CHECK(mentions(refused(between({}, "ENCRYPTED PRIVATE KEY", "AAAA\n")), "openssl pkey"));
    if (has_openssl()) {
        const test::temp_folder folder;
        const std::string in = write(folder, "key", vectors::rfc7515_a3_key);
        const std::string out = folder.file("encrypted");
        REQUIRE(openssl("pkey -in " + in + " -aes128 -passout pass:x -out " + out).status == 0);
        CHECK(mentions(refused(test::read_all(folder.file("encrypted"))), "is encrypted"));
    }
}

TEST_CASE("kinds of keys that no CA takes are refused by their names") {
    CHECK(mentions(thrown_by([] { private_key{EVP_RSA_gen(1024)}; }), "RSA with 1024 bits"));
    CHECK(mentions(thrown_by([] { private_key{EVP_EC_gen("P-521")}; }), "EC with 521 bits"));
    CHECK(mentions(thrown_by([] { private_key{EVP_EC_gen("secp256k1")}; }), "not supported"));
    CHECK(mentions(thrown_by([] { private_key{EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519")}; }), "X25519"));
    CHECK(code_of([] { private_key{nullptr}; }) == errc::invalid_key);
}

TEST_CASE("a refused key leaves nothing in OpenSSL's error queue") {
    ERR_clear_error();
    for (const std::string& pem :
         {std::string{}, std::string{"-----BEGIN PRIVATE KEY-----\n"}, between({}, "PRIVATE KEY", "AAAA\n"),
          between({}, "EC PRIVATE KEY", "AAAA\n")})
        CHECK(refused(pem));
    CHECK(ERR_peek_error() == 0);
    private_key::from_pem(vectors::rfc7515_a3_key);
    CHECK(ERR_peek_error() == 0);
}

TEST_CASE("the openssl program reads the keys of every type") {
    if (!has_openssl())
        return;
    const test::temp_folder folder;
    for (const key_type type : all_types) {
        INFO(to_string(type));
        const std::string file = write(folder, "key", key_of(type).to_pem());
        const auto result = openssl("pkey -check -noout -in " + file);
        INFO(result.output);
        CHECK(result.status == 0);
    }
}
