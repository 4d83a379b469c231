#include "catch.hpp"
#include "certificates.hpp"
#include "lookup/certificate_index.hpp"

using namespace evercert;
using std::chrono::days;

namespace {

const std::vector<key_type> all_types{key_type::ec_p256, key_type::ec_p384, key_type::rsa_2048, key_type::ed25519};

held_ptr held(const certificate_ptr& cert) { return std::make_shared<const held_certificate>(cert); }

held_ptr cold(const certificate_ptr& cert) {
    return std::make_shared<const held_certificate>(
        cert->chain_pem(), cert->key().to_pem(), cert->names(), cert->not_before(), cert->not_after());
}

client_support takes(signature_schemes signatures) {
    client_support client;
    client.signatures = signatures;
    return client;
}

using enum signature_scheme;
const auto rsa_alone = takes(signature_schemes{}.add(rsa_pss_rsae_sha256));
const auto p256_alone = takes(signature_schemes{}.add(ecdsa_secp256r1_sha256));
const auto both = takes(signature_schemes{}.add(rsa_pss_rsae_sha256).add(ecdsa_secp256r1_sha256));

}  // namespace

TEST_CASE("a held certificate knows the type of its key without parsing it") {
    test::authority ca;
    for (const auto type : all_types) {
        const auto cert = ca.issue({"a.test"}, days{90}, type);
        CHECK(held(cert)->type() == type);
        const auto unparsed = cold(cert);
        CHECK(unparsed->type() == type);
        CHECK_FALSE(unparsed->if_parsed());
    }
    for (const auto type : {key_type::rsa_3072, key_type::rsa_4096})
        CHECK(cold(ca.issue({"a.test"}, days{90}, type))->type() == type);
}

TEST_CASE("a held certificate knows what it is signed with") {
    test::authority ca;  // its key is for P-256
    const auto unparsed = cold(ca.issue({"a.test"}, days{90}, key_type::rsa_2048));
    CHECK(unparsed->is_signed_with_any(signature_schemes{}.add(ecdsa_secp256r1_sha256)));
    CHECK_FALSE(unparsed->is_signed_with_any(signature_schemes{}.add(rsa_pkcs1_sha256)));
    CHECK(unparsed->is_signed_with_any(signature_schemes::all()));
}

TEST_CASE("a name has one certificate for each kind of key, and a client gets one that it can use") {
    test::authority ca;
    certificate_index index;
    const auto ecdsa = ca.issue({"a.test"}), rsa = ca.issue({"a.test"}, days{90}, key_type::rsa_2048);
    index.publish(ecdsa);
    index.publish(rsa);
    CHECK(index.size() == 2);
    const certificate_choice any;
    CHECK(index.find("a.test", any.for_client(rsa_alone)).certificate == rsa);
    CHECK(index.find("a.test", any.for_client(p256_alone)).certificate == ecdsa);
    CHECK(index.find("a.test", any.for_client(both)).certificate == ecdsa);
    CHECK(index.find("a.test") == ecdsa);
    const certificate_choice rsa_first{{key_type::rsa_4096}};
    CHECK(index.find("a.test", rsa_first.for_client(both)).certificate == rsa);
    CHECK(index.find("a.test", rsa_first.for_client(p256_alone)).certificate == ecdsa);
    const auto neither = takes(signature_schemes{}.add(ed25519));
    CHECK_FALSE(index.find("a.test", any.for_client(neither)).certificate);
    CHECK(any.for_client(takes({})).empty());
}

TEST_CASE("the newest of each kind serves, and one that goes leaves the other") {
    test::authority ca;
    certificate_index index;
    const auto rsa = held(ca.issue({"a.test"}, days{90}, key_type::rsa_2048));
    const auto renewed = held(ca.issue({"a.test"}, days{91}, key_type::rsa_3072));
    const auto ecdsa = held(ca.issue({"a.test"}, days{200}));
    for (const auto& one : {rsa, ecdsa, renewed})
        index.publish(one);
    index.publish(rsa);
    const certificate_choice any;
    CHECK(index.find_held("a.test", any.of(key_kind::rsa)) == renewed);
    CHECK(index.remove(ecdsa));
    CHECK(index.find_held("a.test") == renewed);
    CHECK(index.asked(*renewed) == 0);
    index.put_back(rsa, renewed);
    CHECK(index.find_held("a.test") == rsa);
    index.replace(std::vector{ecdsa});
    CHECK(index.find_held("a.test") == ecdsa);
    CHECK_FALSE(index.find_held("a.test", any.of(key_kind::rsa)));
}

TEST_CASE("an exact name of any kind that the client can use goes before a wildcard") {
    test::authority ca;
    certificate_index index;
    const auto wildcard = ca.issue({"*.a.test"}), exact = ca.issue({"www.a.test"}, days{90}, key_type::rsa_2048);
    index.publish(wildcard);
    index.publish(exact);
    const certificate_choice any;
    CHECK(index.find("www.a.test", any.for_client(both)).certificate == exact);
    CHECK(index.find("www.a.test", any.for_client(p256_alone)).certificate == wildcard);
    CHECK_FALSE(index.find("b.a.test", any.for_client(rsa_alone)).certificate);
}

TEST_CASE("of several that the client can use the one goes first whose signature it says it knows") {
    test::authority ca;
    certificate_index index;
    const auto root_key = private_key::generate(key_type::rsa_2048);
    const validity valid{ca.issue({"x.test"})->not_before(), ca.issue({"x.test"})->not_after()};
    const auto rsa_root = make_root("RSA Root", root_key, valid);
    const auto key = private_key::generate(key_type::rsa_2048);
    const auto by_rsa = std::make_shared<const certificate>(issue({{"a.test"}, public_key{key}, valid}, rsa_root), key);
    const auto by_ecdsa = ca.issue({"a.test"});
    index.publish(by_rsa);
    index.publish(by_ecdsa);
    auto knows_rsa = both;
    knows_rsa.chain_signatures = signature_schemes{}.add(rsa_pkcs1_sha256);
    const certificate_choice any;
    CHECK(index.find("a.test", any.for_client(both)).certificate == by_ecdsa);
    CHECK(index.find("a.test", any.for_client(knows_rsa)).certificate == by_rsa);
    // RFC 8446, section 4.4.2.2: rather one of another signature than none.
    knows_rsa.chain_signatures = signature_schemes{}.add(ed25519);
    CHECK(index.find("a.test", any.for_client(knows_rsa)).certificate == by_ecdsa);
}

TEST_CASE("the application's own certificates go before the manager's, exact names before wildcards") {
    test::authority ca;
    certificate_index index;
    const auto managed = ca.issue({"a.test"}, days{400}), own = ca.issue({"a.test", "*.b.test"});
    const auto other = ca.issue({"x.b.test"});
    index.publish(managed);
    index.publish(other);
    index.replace_own({held(own)});
    const certificate_choice any;
    const auto found = index.find("a.test", any);
    CHECK(found.certificate == own);
    CHECK(found.own);
    CHECK(index.find("a.test", any.managed()).certificate == managed);
    CHECK(index.find("x.b.test") == other);
    CHECK(index.find("y.b.test") == own);
    // The manager's change nothing about them, and the other way round.
    index.replace(std::vector<held_ptr>{});
    CHECK(index.find("a.test") == own);
    CHECK_FALSE(index.find("x.b.test", any.managed()).certificate);
    index.publish(managed);
    index.replace_own({});
    CHECK(index.find("a.test") == managed);
    CHECK_FALSE(index.find("a.test", any).own);
    CHECK(index.size() == 1);
}

TEST_CASE("an own certificate that no client of the name can use leaves it to the manager's") {
    test::authority ca;
    certificate_index index;
    index.replace_own({held(ca.issue({"a.test"}, days{90}, key_type::rsa_2048))});
    const auto managed = ca.issue({"a.test"});
    index.publish(managed);
    CHECK(index.find("a.test", certificate_choice{}.for_client(p256_alone)).certificate == managed);
}
