#include "catch.hpp"
#include "support.hpp"

using namespace evercert;

TEST_CASE("what a client can use reads as it was written") {
    client_support some;
    some.tls_1_3 = false;
    some.secp256r1 = false;
    some.signatures = signature_schemes{}.add(signature_scheme::rsa_pkcs1_sha256).add(signature_scheme::ed25519);
    some.chain_signatures = signature_schemes{}.add(signature_scheme::rsa_pkcs1_sha1);
    CHECK(read_support(write_support(some)) == some);
    client_support other;
    other.ecdsa_suites = other.rsa_suites = other.secp384r1 = false;
    other.signatures = {};
    CHECK(read_support(write_support(other)) == other);
    CHECK(read_support(write_support({})) == client_support{});
    for (const auto* bad : {"", "1", "11111000000000000000000000002", "111110000000000000000000000000"})
        CHECK_THROWS(read_support(bad));
}

TEST_CASE("clients that can use the same kinds of keys have the same certificate") {
    client_support rsa, same, both;
    rsa.signatures = signature_schemes{}.add(signature_scheme::rsa_pss_rsae_sha256);
    same.signatures = signature_schemes{}.add(signature_scheme::rsa_pss_rsae_sha512);
    both.signatures = signature_schemes{rsa.signatures}.add(signature_scheme::ecdsa_secp256r1_sha256);
    CHECK(usable_keys(rsa) == usable_keys(same));
    CHECK(usable_keys(rsa) != usable_keys(both));
    CHECK(usable_keys({}) != usable_keys(both));
    rsa.signatures = {};
    CHECK(usable_keys(rsa) == 0);
}
