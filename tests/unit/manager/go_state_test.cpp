#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <openssl/pem.h>

#include <evercert/error.hpp>
#include <evercert/manager.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "crypto/openssl.hpp"
#include "go_state_vector.hpp"
#include "manager/go_state.hpp"
#include "manager/state.hpp"
#include "simulated_time.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

namespace json = boost::json;

constexpr const char* directory_url = "https://ca.test:14000/dir";
const wall_time april_2017 = std::chrono::sys_days{std::chrono::year{2017} / 4 / 1};
const wall_time june_2017 = std::chrono::sys_days{std::chrono::year{2017} / 6 / 1};

/// SEC1 or PKCS#1, as Go writes keys.
std::string traditional_pem(const private_key& key) {
    const bio_ptr out{BIO_new(BIO_s_mem())};
    REQUIRE(
        PEM_write_bio_PrivateKey_traditional(out.get(), key.native_handle(), nullptr, nullptr, 0, nullptr, nullptr));
    char* text = nullptr;
    const auto size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

json::object entry_of(const certificate& cert) {
    return {{"Cert", cert.chain_pem()}, {"Key", traditional_pem(cert.key())}};
}

/// As our own item has it.
certificate certificate_in(const json::object& item) {
    return {std::string{item.at("chain").as_string()}, private_key::from_pem(item.at("key").as_string())};
}

/// A state with an account and a certificate for a.test.
struct go_state {
    go_state() {
        fields = {
            {"Email", "ops@a.test"},
            {"Reg", nullptr},
            {"Key", traditional_pem(account)},
            {"Hosts", nullptr},
            {"Certs", {{"a.test", entry_of(*cert)}}}};
    }

    std::optional<state_items> read() const { return read_go_state(json::serialize(fields), directory_url, now); }
    json::object& entry() { return fields["Certs"].as_object()["a.test"].as_object(); }
    /// Why it is refused.
    std::string refusal() const {
        try {
            read();
        } catch (const error& e) {
            CHECK(e.code() == errc::state_damaged);
            return e.what();
        }
        FAIL("it was read");
        return {};
    }

    wall_time now = std::chrono::sys_days{std::chrono::year{2026} / 2 / 1};
    test::authority ca;
    private_key account = private_key::generate(key_type::ec_p384);
    certificate_ptr cert = ca.issue({"a.test"});
    json::object fields;
};

using Catch::Matchers::ContainsSubstring;

}  // namespace

TEST_CASE("a state that Go wrote becomes a state of ours") {
    const auto items = read_go_state(go_state_2017, directory_url, april_2017);
    REQUIRE(items);
    CHECK(items->size() == 4);
    const auto account = read_account(items->at(account_key(directory_url)));
    CHECK(account.directory_url == directory_url);
    CHECK(account.email == "ops@example.com");
    CHECK(account.key.type() == key_type::ec_p384);
    CHECK(account.url.empty());

    const auto hosts = read_hosts(items->at("hosts"));
    CHECK_FALSE(hosts.any);
    CHECK(hosts.names == std::vector<identifier>{"example.com", "www.example.com"});

    const auto &first = items->at("certificates/example.com"), &second = items->at("certificates/www.example.com");
    CHECK_NOTHROW(read_certificate(first));
    CHECK_NOTHROW(read_certificate(second));
    CHECK(certificate_in(first).covers("example.com"));
    CHECK(certificate_in(second).covers("www.example.com"));
    CHECK(certificate_in(second).key().type() == key_type::rsa_2048);
    CHECK(first.at("draw") != second.at("draw"));
    CHECK(items == read_go_state(go_state_2017, directory_url, april_2017));
}

TEST_CASE("certificates that Go's state has and that have expired are left out") {
    const auto items = read_go_state(go_state_2017, directory_url, june_2017);
    REQUIRE(items);
    CHECK(items->contains("hosts"));
    CHECK(items->contains(account_key(directory_url)));
    CHECK(items->size() == 2);
}

TEST_CASE("keys and certificates of Go's state come through unchanged") {
    const go_state written;
    const auto items = written.read();
    REQUIRE(items);
    CHECK(read_account(items->at(account_key(directory_url))).key == written.account);
    const auto cert = certificate_in(items->at("certificates/a.test"));
    CHECK(cert.key() == written.cert->key());
    CHECK(cert.chain_pem() == written.cert->chain_pem());
}

TEST_CASE("no host list in Go's state is any host, and an empty one is none") {
    go_state written;
    CHECK(read_hosts(written.read()->at("hosts")).any);
    written.fields["Hosts"] = json::array{};
    CHECK_FALSE(read_hosts(written.read()->at("hosts")).any);
    // The package would ask for any of these; no CA gives a certificate for them.
    written.fields["Hosts"] = {"localhost", "a.test:8443", ""};
    const auto hosts = read_hosts(written.read()->at("hosts"));
    CHECK_FALSE(hosts.any);
    CHECK(hosts.names.empty());
}

TEST_CASE("a state of Go's that had never registered has no account") {
    go_state written;
    written.fields["Email"] = "";
    written.fields["Key"] = "";
    written.fields["Certs"] = nullptr;
    const auto items = written.read();
    REQUIRE(items);
    CHECK(items->size() == 1);
    CHECK(items->contains("hosts"));
}

TEST_CASE("the registration in Go's state is dropped, whatever it is") {
    go_state written;
    for (const json::value& registration : {json::value{"?"}, json::value{{"body", 1}}, json::value{nullptr}}) {
        written.fields["Reg"] = registration;
        CHECK(written.read()->size() == 3);
    }
    written.fields.erase("Reg");
    CHECK(written.read()->size() == 3);
}

TEST_CASE("what is not Go's state is left to others") {
    for (const auto* text :
         {"", "garbage", "[]", "{}", "{\"Email\": ", "{\"evercert\": 1, \"items\": {}}",
          " {\n \"evercert\": 1, \"Certs\": {}}", "{\"Certs\": {}, \"evercert\": 1}", "{\"email\": \"\"}"})
        CHECK_FALSE(read_go_state(text, directory_url, april_2017));
}

TEST_CASE("a member that Go's state lacks, or has in another form, is named") {
    for (const auto* name : {"Email", "Key", "Hosts", "Certs"}) {
        go_state written;
        written.fields[name] = 7;
        CHECK_THAT(written.refusal(), ContainsSubstring(std::string{"\""} + name + "\" is n"));
        written.fields.erase(name);
        CHECK_THAT(written.refusal(), ContainsSubstring(std::string{"\""} + name + "\" is missing"));
    }
    for (const auto* name : {"Cert", "Key"}) {
        go_state written;
        written.entry()[name] = nullptr;
        CHECK_THAT(written.refusal(), ContainsSubstring(std::string{"\"a.test\": \""} + name + "\" is not a text"));
        written.entry().erase(name);
        CHECK_THAT(written.refusal(), ContainsSubstring(std::string{"\"a.test\": \""} + name + "\" is missing"));
    }
    go_state written;
    written.fields["Hosts"] = {"a.test", 7};
    CHECK_THAT(written.refusal(), ContainsSubstring("\"Hosts\" has something that is not a text"));
    written.fields["Hosts"] = nullptr;
    written.fields["Certs"].as_object()["a.test"] = "text";
    CHECK_THAT(written.refusal(), ContainsSubstring("\"a.test\": it is not an object"));
}

TEST_CASE("keys in Go's state that cannot be read are refused with their place") {
    go_state written;
    const auto good = traditional_pem(written.account);
    for (const auto& bad : {std::string{"?"}, good.substr(0, good.size() / 2), good + good}) {
        written.fields["Key"] = bad;
        CHECK_THAT(written.refusal(), ContainsSubstring("\"Key\": "));
    }
    written.fields["Key"] = good;
    written.entry()["Key"] = "?";
    CHECK_THAT(written.refusal(), ContainsSubstring("\"Certs\", \"a.test\": "));
}

TEST_CASE("a certificate in Go's state is refused with the key of another, for another host, or damaged") {
    go_state written;
    written.entry()["Key"] = traditional_pem(private_key::generate());
    CHECK_THAT(written.refusal(), ContainsSubstring("\"Certs\", \"a.test\": ") && ContainsSubstring("key"));

    written.fields["Certs"] = {{"a.test", entry_of(*written.ca.issue({"b.test", "c.test"}))}};
    CHECK_THAT(written.refusal(), ContainsSubstring("\"a.test\": the certificate is for other names: b.test, c.test"));

    written.fields["Certs"] = {{"a.test", entry_of(*written.cert)}};
    written.entry()["Cert"] = written.cert->chain_pem().substr(0, 200);
    CHECK_THAT(written.refusal(), ContainsSubstring("\"Certs\", \"a.test\": "));

    written.fields["Certs"] = {{"../a\n", entry_of(*written.cert)}};
    CHECK_THAT(written.refusal(), ContainsSubstring("\"../a\\x0a\": that is not a name"));
}

TEST_CASE("a manager takes the state that Go wrote") {
    const go_state written;
    asio::io_context io;
    test::simulated_time time{io};
    manager_options options;
    options.directory_url = directory_url;
    const auto clock = time.make_clock();
    clock->step(written.now - clock->wall());
    options.clock = clock;
    manager by{io, options};
    by.unmarshal(json::serialize(written.fields));
    const auto found = by.find("a.test");
    REQUIRE(found);
    CHECK(found->serial() == written.cert->serial());
    CHECK(by.marshal().find("ops@a.test") != std::string::npos);
    auto damaged = written.fields;
    damaged.erase("Key");
    CHECK_THROWS_AS(by.unmarshal(json::serialize(damaged)), error);
    CHECK(by.find("a.test") == found);
}
