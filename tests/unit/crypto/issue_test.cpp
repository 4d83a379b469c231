#include <set>

#include "catch.hpp"
#include "crypto/csr.hpp"
#include "crypto/issue.hpp"
#include "crypto/openssl.hpp"
#include "crypto/verify.hpp"
#include "openssl_command.hpp"
#include "support.hpp"
#include "temp_folder.hpp"

using namespace evercert;
using namespace evercert::crypto_test;

TEST_CASE("an issued certificate is served with its chain, without the root") {
    const auto& ca = test_authority();
    const auto cert = ca.issue_certificate({"a.example"});
    CHECK(sk_X509_num(cert.native_chain()) == 1);
    verify_chain(cert, ca.root.chain_pem(), now);

    const std::string direct = issue({{"a.example"}, public_key{ca.server_key}, ninety_days}, ca.root);
    const certificate under_root{direct, ca.server_key};
    CHECK(sk_X509_num(under_root.native_chain()) == 0);
    verify_chain(under_root, ca.root.chain_pem(), now);
}

TEST_CASE("serial numbers are positive, unlike each other and 128 bits of chance") {
    const auto& ca = test_authority();
    std::set<std::string> serials;
    for (int i = 0; i < 50; ++i) {
        const auto cert = ca.issue_certificate({"a.example"});
        CHECK(cert.serial().front() != '-');
        CHECK(cert.serial().size() > 20);
        CHECK(cert.serial().size() <= 40);
        serials.insert(cert.serial());
    }
    CHECK(serials.size() == 50);
}

TEST_CASE("a certificate for no names or with a serial of 21 bytes is not issued") {
    const auto& ca = test_authority();
    const public_key key{ca.server_key};
    CHECK(code_of([&] { issue({{}, key, ninety_days}, ca.root); }) == errc::invalid_options);
    const bytes serial(21, 1);
    CHECK(code_of([&] { issue({{"a.example"}, key, ninety_days, serial}, ca.root); }) == errc::invalid_options);
}

TEST_CASE("every type of key signs as a CA") {
    for (const key_type type : all_types) {
        INFO(to_string(type));
        const certificate root = make_root("Root", key_of(type), ten_years);
        const certificate cert{issue({{"a.example"}, public_key{key_of(type)}, ninety_days}, root), key_of(type)};
        verify_chain(cert, root.chain_pem(), now);
        verify_servable(cert, {"a.example"}, now);
    }
}

TEST_CASE("the openssl program finds in a certificate what RFC 5280 asks for") {
    if (!has_openssl())
        return;
    const auto& ca = test_authority();
    const test::temp_folder folder;
    const std::string file =
        write(folder, "cert", ca.issue_pem({"a.example", "*.b.example", "192.0.2.1", "2001:db8::1"}));
    const auto text = openssl("x509 -noout -text -in " + file);
    INFO(text.output);
    REQUIRE(text.status == 0);
    for (const char* expected :
         {"Version: 3", "Issuer: CN = Test Intermediate", "Subject: \n",
          "Basic Constraints: critical\n                CA:FALSE",
          "Key Usage: critical\n                Digital Signature\n", "TLS Web Server Authentication",
          "Subject Key Identifier", "Authority Key Identifier",
          "Subject Alternative Name: critical\n                "
          "DNS:a.example, DNS:*.b.example, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1"}) {
        INFO(expected);
        // Later versions of the program write "CN=".
        std::string loose = expected;
        if (const auto at = loose.find("CN = "); at != loose.npos)
            loose.erase(0, at + 5);
        CHECK(text.output.find(loose) != std::string::npos);
    }
}

TEST_CASE("the openssl program verifies a chain strictly") {
    if (!has_openssl())
        return;
    const auto& ca = test_authority();
    const test::temp_folder folder;
    const std::string root = write(folder, "root", ca.root.chain_pem());
    const std::string chain = write(folder, "chain", ca.issue_pem({"a.example"}));
    const auto at = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
    const auto result = openssl(
        "verify -x509_strict -purpose sslserver -verify_hostname a.example -attime " + std::to_string(at.count()) +
        " -CAfile " + root + " -untrusted " + chain + " " + chain);
    INFO(result.output);
    CHECK(result.status == 0);
}

TEST_CASE("an intermediate issues for servers, not for further CAs") {
    const auto& ca = test_authority();
    const certificate third = make_intermediate("Third", private_key::generate(), ten_years, ca.intermediate);
    const certificate cert{issue({{"a.example"}, public_key{ca.server_key}, ninety_days}, third), ca.server_key};
    CHECK(sk_X509_num(cert.native_chain()) == 2);
    CHECK(code_of([&] { verify_chain(cert, ca.root.chain_pem(), now); }) == errc::invalid_certificate);
}
