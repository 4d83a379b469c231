#include <algorithm>

#include "catch.hpp"
#include "crypto/held_certificate.hpp"
#include "crypto/pem.hpp"
#include "support.hpp"

using namespace evercert;
using namespace evercert::crypto_test;

namespace {

const std::vector<identifier> names{"www.a.example", "*.a.example", "192.0.2.1"};

/// What a store would have kept of a certificate.
struct record {
    std::string chain;
    std::string key;
    std::vector<identifier> names = ::names;
    validity valid = ninety_days;

    held_certificate held() const { return {chain, key, names, valid.not_before, valid.not_after}; }
};

record record_with(const private_key& key) {
    return {issue({names, public_key{key}, ninety_days}, test_authority().intermediate), key.to_pem()};
}

record good_record() { return record_with(test_authority().server_key); }

/// `pem` with one bit of its first block changed.
std::string damaged(const std::string& pem, std::size_t at) {
    auto blocks = read_pem(pem, errc::invalid_certificate);
    blocks.front().der.at(at) ^= 0x01;
    std::string text;
    for (const auto& block : blocks)
        text += write_pem(block.label.c_str(), block.der);
    return text;
}

std::optional<error> refused(const record& r) {
    const auto held = r.held();
    return thrown_by([&] { held.get(); });
}

X509* issuer_of(const certificate& cert) { return sk_X509_value(cert.native_chain(), 0); }

}  // namespace

TEST_CASE("a held certificate says its names and dates before it is parsed, and parses at first use") {
    const auto r = good_record();
    const auto held = r.held();
    CHECK(held.names() == names);
    CHECK(held.not_before() == ninety_days.not_before);
    CHECK(held.not_after() == ninety_days.not_after);
    CHECK(held.if_parsed() == nullptr);
    const auto cert = held.get();
    CHECK(cert->names() == names);
    CHECK(cert->chain_pem() == r.chain);
    CHECK(cert->key() == test_authority().server_key);
    CHECK(held.if_parsed() == cert);
    CHECK(held.get() == cert);
    verify_servable(*cert, names, now);
}

TEST_CASE("a held certificate that goes back to DER is parsed again, and who has the old one keeps it") {
    const auto held = good_record().held();
    const auto first = held.get();
    held.drop_parsed();
    CHECK(held.if_parsed() == nullptr);
    const auto second = held.get();
    CHECK(second != first);
    CHECK(second->chain_pem() == first->chain_pem());
    verify_servable(*first, names, now);
}

TEST_CASE("a held certificate gives back the PEM texts that it was made from, for every type of key") {
    for (const key_type type : all_types) {
        INFO(to_string(type));
        const auto r = record_with(key_of(type));
        const auto held = r.held();
        CHECK(held.chain_pem() == r.chain);
        CHECK(held.key_pem() == r.key);
        CHECK(held.if_parsed() == nullptr);
        CHECK(held.get()->key() == key_of(type));
        CHECK(held.get()->key().type() == type);
    }
}

TEST_CASE("a certificate that was just obtained is held parsed, and goes back to DER like any other") {
    const auto r = good_record();
    const auto obtained = std::make_shared<const certificate>(r.chain, test_authority().server_key);
    const held_certificate held{obtained};
    CHECK(held.names() == obtained->names());
    CHECK(held.not_before() == obtained->not_before());
    CHECK(held.not_after() == obtained->not_after());
    CHECK(held.get() == obtained);
    CHECK(held.chain_pem() == r.chain);
    CHECK(held.key_pem() == r.key);
    held.drop_parsed();
    CHECK(held.get() != obtained);
    CHECK(held.get()->chain_pem() == r.chain);
}

TEST_CASE("certificates of the same issuers share them") {
    const auto one = good_record().held(), other = record_with(key_of(key_type::ec_p384)).held();
    CHECK(issuer_of(*one.get()) == issuer_of(*other.get()));
    certificate_ptr kept = one.get();
    one.drop_parsed();
    CHECK(issuer_of(*one.get()) == issuer_of(*kept));

    const auto& ca = test_authority();
    const auto elsewhere = make_intermediate("Elsewhere", key_of(key_type::ec_p256), ten_years, ca.root);
    const certificate stranger{issue({names, public_key{ca.server_key}, ninety_days}, elsewhere), ca.server_key};
    CHECK(issuer_of(stranger) != issuer_of(*kept));
}

TEST_CASE("the issuers live as long as the certificate that has them") {
    auto held = std::make_unique<held_certificate>(
        good_record().chain, good_record().key, names, ninety_days.not_before, ninety_days.not_after);
    const auto cert = held->get();
    held.reset();
    verify_servable(*cert, names, now);
}

TEST_CASE("the names of a record may stand in another order than the certificate's") {
    auto r = good_record();
    std::ranges::reverse(r.names);
    const auto held = r.held();
    CHECK(held.names() == r.names);
    CHECK(held.get()->names() == names);
}

TEST_CASE("a record that says something else than its certificate is refused at first use") {
    SECTION("other names") {
        auto r = good_record();
        r.names = {"www.b.example"};
        const auto thrown = refused(r);
        CHECK(mentions(thrown, "www.b.example"));
        CHECK(thrown->code() == errc::name_mismatch);
    }
    SECTION("a name that the certificate has not") {
        auto r = good_record();
        r.names.push_back("www.b.example");
        CHECK(refused(r)->code() == errc::name_mismatch);
    }
    SECTION("another end") {
        auto r = good_record();
        r.valid.not_after += std::chrono::days{1};
        const auto thrown = refused(r);
        CHECK(mentions(thrown, "is valid from"));
        CHECK(thrown->code() == errc::invalid_certificate);
    }
    SECTION("another beginning") {
        auto r = good_record();
        r.valid.not_before += std::chrono::seconds{1};
        CHECK(refused(r)->code() == errc::invalid_certificate);
    }
}

TEST_CASE("another certificate's key is refused at first use, for every type of key") {
    for (const key_type type : all_types) {
        INFO(to_string(type));
        auto r = good_record();
        r.key = (type == key_type::ec_p256 ? private_key::generate(type) : key_of(type)).to_pem();
        const auto thrown = refused(r);
        CHECK(mentions(thrown, "does not belong"));
        CHECK(thrown->code() == errc::key_mismatch);
    }
}

TEST_CASE("a damaged certificate is refused at first use") {
    SECTION("its end is cut off") {
        auto r = good_record();
        auto blocks = read_pem(r.chain, errc::invalid_certificate);
        blocks.front().der.pop_back();
        r.chain = write_pem("CERTIFICATE", blocks.front().der);
        CHECK(refused(r)->code() == errc::invalid_certificate);
    }
    SECTION("an issuer cannot be parsed") {
        auto r = good_record();
        const auto blocks = read_pem(r.chain, errc::invalid_certificate);
        r.chain = write_pem("CERTIFICATE", blocks.front().der) + write_pem("CERTIFICATE", bytes{0x30, 0x01});
        const auto held = r.held();
        for (int i = 0; i < 2; ++i)
            CHECK(code_of([&] { held.get(); }) == errc::invalid_certificate);
    }
    SECTION("its signature is another: only the chain's verification sees that") {
        auto r = good_record();
        r.chain = damaged(r.chain, read_pem(r.chain, errc::invalid_certificate).front().der.size() - 1);
        const auto held = r.held();
        CHECK(code_of([&] { verify_servable(*held.get(), names, now); }) == errc::chain_incomplete);
    }
}

TEST_CASE("a damaged key is refused at first use, for every type of key") {
    for (const key_type type : all_types) {
        INFO(to_string(type));
        auto r = record_with(key_of(type));
        // In the number of EC keys, the modulus of RSA's, the seed of Ed25519's. (OpenSSL signs correctly with an RSA
        // key that has one of its other five numbers wrong.)
        r.key = damaged(r.key, 40);
        const auto thrown = refused(r);
        CHECK(thrown);
        CHECK((thrown->code() == errc::invalid_key || thrown->code() == errc::key_mismatch));
    }
}

TEST_CASE("keys in the older forms are held as well") {
    const auto& key = test_authority().server_key;
    unsigned char* der = nullptr;
    const int size = i2d_PrivateKey(key.native_handle(), &der);
    const openssl_memory_ptr owner{der};
    auto r = good_record();
    const auto pkcs8 = r.key;
    r.key = write_pem("EC PRIVATE KEY", {der, static_cast<std::size_t>(size)});
    CHECK(r.held().key_pem() == pkcs8);
    CHECK(r.held().get()->key() == key);
}

TEST_CASE("what is not PEM is refused at once") {
    auto r = good_record();
    SECTION("no certificate") {
        r.chain = "";
        CHECK(code_of([&] { r.held(); }) == errc::invalid_certificate);
    }
    SECTION("a key among the certificates") {
        r.chain += r.key;
        CHECK(code_of([&] { r.held(); }) == errc::invalid_certificate);
    }
    SECTION("more certificates than a chain has") {
        for (std::size_t i = 0; i <= certificate::chain_max; ++i)
            r.chain += test_authority().root.chain_pem();
        CHECK(code_of([&] { r.held(); }) == errc::invalid_certificate);
    }
    SECTION("no key") {
        r.key = r.chain;
        CHECK(code_of([&] { r.held(); }) == errc::invalid_key);
    }
    SECTION("two keys") {
        r.key += r.key;
        CHECK(code_of([&] { r.held(); }) == errc::invalid_key);
    }
    SECTION("a text without end") {
        r.chain = std::string(pem_size_max + 1, ' ');
        CHECK(code_of([&] { r.held(); }) == errc::invalid_certificate);
    }
}
