#include "catch.hpp"
#include "pebble.hpp"

TEST_CASE("the test CA answers on its ports and is another CA after a restart") {
    test::pebble ca{{.nonce_reject = 50, .alternate_roots = 1}};
    auto directory = test::run_program({"curl", "--silent", "--fail", "--cacert", ca.ca_file(), ca.directory_url()});
    CHECK(directory.find("newOrder") != std::string::npos);
    auto root = ca.issuing_root_pem();
    CHECK(root.starts_with("-----BEGIN CERTIFICATE-----"));
    CHECK(ca.issuing_root_pem(1) != root);
    ca.dns("add-a", R"({"host": "a.test.", "addresses": ["127.0.0.2"]})");

    ca.stop();
    CHECK_THROWS(test::run_program({"curl", "--silent", "--cacert", ca.ca_file(), ca.directory_url()}));

    ca.start();
    CHECK(ca.issuing_root_pem() != root);
}
