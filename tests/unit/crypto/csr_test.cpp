#include "catch.hpp"
#include "crypto/csr.hpp"
#include "crypto/pem.hpp"
#include "openssl_command.hpp"
#include "support.hpp"
#include "temp_folder.hpp"

using namespace evercert;
using namespace evercert::crypto_test;

namespace {

/// A CSR as the openssl program makes it for this key.
bytes foreign_csr(const test::temp_folder& folder, const std::string& options) {
    const std::string key = write(folder, "key", key_of(key_type::ec_p256).to_pem());
    const auto result = openssl("req -new -key " + key + " -out " + folder.file("csr") + " " + options);
    INFO(result.output);
    REQUIRE(result.status == 0);
    return read_pem(test::read_all(folder.file("csr")), errc::invalid_certificate).at(0).der;
}

}  // namespace

TEST_CASE("a CSR asks for its names with its key, whatever the type") {
    const std::vector<identifier> names{"a.example", "*.b.example", "192.0.2.1", "2001:db8::1"};
    for (const key_type type : all_types) {
        INFO(to_string(type));
        const parsed_csr parsed = parse_csr(make_csr(key_of(type), names));
        CHECK(parsed.names == names);
        CHECK(parsed.key.thumbprint() == public_key{key_of(type)}.thumbprint());
    }
}

TEST_CASE("a CSR has each name once and is not made for none") {
    const private_key& key = key_of(key_type::ec_p256);
    CHECK(
        parse_csr(make_csr(key, {"b.example", "a.example", "B.example"})).names ==
        std::vector<identifier>{"b.example", "a.example"});
    CHECK(code_of([&] { make_csr(key, {}); }) == errc::invalid_options);
}

TEST_CASE("a CSR takes a hundred names") {
    std::vector<identifier> names;
    for (int i = 0; i < 100; ++i)
        names.emplace_back("host-" + std::to_string(i) + ".a-rather-long-name.example");
    CHECK(parse_csr(make_csr(key_of(key_type::ec_p256), names)).names == names);
}

TEST_CASE("the openssl program verifies a CSR and finds the names in it, the subject empty") {
    if (!has_openssl())
        return;
    for (const key_type type : all_types) {
        INFO(to_string(type));
        const test::temp_folder folder;
        const bytes der = make_csr(key_of(type), {"a.example", "192.0.2.1"});
        const std::string file = write(folder, "csr", {reinterpret_cast<const char*>(der.data()), der.size()});
        const auto result = openssl("req -inform DER -verify -noout -text -in " + file);
        INFO(result.output);
        CHECK(result.status == 0);
        CHECK(result.output.find("Version: 1 (0x0)") != std::string::npos);
        CHECK(result.output.find("Subject: \n") != std::string::npos);
        CHECK(result.output.find("DNS:a.example, IP Address:192.0.2.1") != std::string::npos);
    }
}

TEST_CASE("a common name is a name too, unless the extension has it") {
    if (!has_openssl())
        return;
    const test::temp_folder folder;
    CHECK(parse_csr(foreign_csr(folder, "-subj /CN=a.example")).names == std::vector<identifier>{"a.example"});
    CHECK(
        parse_csr(foreign_csr(folder, "-subj /CN=a.example -addext subjectAltName=DNS:b.example,DNS:a.example"))
            .names == std::vector<identifier>{"b.example", "a.example"});
    CHECK(code_of([&] { parse_csr(foreign_csr(folder, "-subj '/CN=not a name'")); }) == errc::invalid_identifier);
    CHECK(parse_csr(foreign_csr(folder, "-subj /")).names.empty());
}

TEST_CASE("a CSR cut off anywhere, longer or changed anywhere is refused") {
    const bytes der = make_csr(key_of(key_type::ec_p256), {"a.example"});
    for (std::size_t size = 0; size < der.size(); ++size) {
        if (code_of([&] { parse_csr(bytes_view{der}.first(size)); }) != errc::invalid_certificate)
            FAIL("accepted with " << size << " bytes");
    }
    bytes longer = der;
    longer.push_back(0);
    CHECK(code_of([&] { parse_csr(longer); }) == errc::invalid_certificate);
    for (std::size_t i = 0; i < der.size(); ++i) {
        bytes changed = der;
        changed[i] ^= 0x41;
        if (!thrown_by([&] { parse_csr(changed); }))
            FAIL("byte " << i);
    }
}

TEST_CASE("a CSR for a key that no CA takes is refused") {
    if (!has_openssl())
        return;
    const test::temp_folder folder;
    REQUIRE(
        openssl(
            "req -new -newkey rsa:1024 -nodes -keyout " + folder.file("key") +
            " -subj /CN=a.example -outform DER -out " + folder.file("csr"))
            .status == 0);
    const std::string der = test::read_all(folder.file("csr"));
    CHECK(code_of([&] { parse_csr(as_bytes(der)); }) == errc::invalid_key);
}
