#include <algorithm>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "catch.hpp"
#include "clients.hpp"
#include "manager/state.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using std::chrono::days;
using test::hello, test::p256_alone, test::p256_or_rsa, test::rsa_alone;

namespace {

void ecdsa_and_rsa(manager_options& options) { options.key_types = {key_type::ec_p256, key_type::rsa_2048}; }
void rsa_and_ecdsa(manager_options& options) { options.key_types = {key_type::rsa_2048, key_type::ec_p256}; }
void rsa_only(manager_options& options) { options.key_types = {key_type::rsa_2048}; }

struct fixture : test::simulated_site {
    explicit fixture(change adjust = ecdsa_and_rsa, ca_change adjust_ca = {})
        : simulated_site{std::move(adjust), std::move(adjust_ca)} {
        start();
        manager->set_hosts({"a.test", "b.test"});
    }
    std::optional<std::string> stored(const std::string& key) { return run(store->load(key)); }
    std::vector<key_type> types_of(const identifier& name) {
        std::vector<key_type> types;
        for (const auto& one : manager->status().certificates)
            if (one.names == std::vector{name} && one.key && one.state != certificate_state::not_asked_for)
                types.push_back(*one.key);
        return types;
    }
};

key_type type_of(const certificate_ptr& cert) {
    REQUIRE(cert);
    return cert->key().type();
}

}  // namespace

TEST_CASE("each client gets a certificate with a key that it can use, obtained when the first such client comes") {
    fixture site;
    CHECK(type_of(site.ask(hello("a.test", p256_or_rsa()))) == key_type::ec_p256);
    CHECK(site.ca->count("newOrder") == 1);
    CHECK(type_of(site.ask(hello("a.test", rsa_alone()))) == key_type::rsa_2048);
    CHECK(site.ca->count("newOrder") == 2);
    CHECK(type_of(site.ask(hello("a.test", p256_alone()))) == key_type::ec_p256);
    CHECK(type_of(site.ask(hello("a.test"))) == key_type::ec_p256);
    CHECK(site.manager->find("a.test")->key().type() == key_type::ec_p256);
    site.pass(1h);
    CHECK(site.ca->count("newOrder") == 2);
    CHECK(site.types_of("a.test") == std::vector{key_type::ec_p256, key_type::rsa_2048});
    // Each is kept by itself, and neither is lost in a restart.
    CHECK(site.stored("certificates/a.test"));
    CHECK(site.stored("certificates/a.test:rsa"));
    site.restart();
    site.pass(1s);
    CHECK(type_of(site.ask(hello("a.test", rsa_alone()))) == key_type::rsa_2048);
    CHECK(type_of(site.ask(hello("a.test", p256_alone()))) == key_type::ec_p256);
    CHECK(site.ca->count("newOrder") == 2);
}

TEST_CASE("a client that comes first with the less preferred key does not keep the others from the better one") {
    fixture site;
    CHECK(type_of(site.ask(hello("a.test", rsa_alone()))) == key_type::rsa_2048);
    // It is served at once, and the better one is fetched beside it.
    CHECK(type_of(site.ask(hello("a.test", p256_or_rsa()))) == key_type::rsa_2048);
    site.pass(1min);
    CHECK(type_of(site.ask(hello("a.test", p256_or_rsa()))) == key_type::ec_p256);
    CHECK(site.ca->count("newOrder") == 2);
}

TEST_CASE("a client that can use no key of the manager's is refused without an order") {
    fixture site;
    CHECK_FALSE(site.ask(hello("a.test", test::ed25519_alone())));
    CHECK(site.refusal == errc::tls_failed);
    CHECK(site.requests() == 0);
    site.ask(hello("a.test"));
    CHECK_FALSE(site.ask(hello("a.test", test::ed25519_alone())));
    CHECK(site.refusal == errc::tls_failed);
}

TEST_CASE("the application gets the certificate of the first key type, and the others follow") {
    fixture site{rsa_and_ecdsa};
    CHECK(type_of(site.cert("a.test")) == key_type::rsa_2048);
    site.pass(1min);
    CHECK(site.ca->count("newOrder") == 2);
    CHECK(site.types_of("a.test") == std::vector{key_type::ec_p256, key_type::rsa_2048});
    site.cert("a.test");
    site.pass(1min);
    CHECK(site.ca->count("newOrder") == 2);
    // Also for a set.
    CHECK(type_of(site.run(site.manager->manage({"a.test", "b.test"}))) == key_type::rsa_2048);
    site.pass(1min);
    CHECK(site.ca->count("newOrder") == 4);
}

TEST_CASE("certificates of one name are renewed each on its own") {
    fixture site;
    site.ask(hello("a.test", p256_alone()));
    site.pass(days{20});
    site.ask(hello("a.test", rsa_alone()));
    site.forget_events();
    REQUIRE(site.until([&] { return site.heard(event_type::renewed) == 2; }, days{90}));
    std::vector<manager_event> renewed;
    for (const auto& one : site.heard())
        if (one.type == event_type::renewed)
            renewed.push_back(one);
    CHECK(renewed[0].key == key_type::ec_p256);
    CHECK(renewed[1].key == key_type::rsa_2048);
    CHECK(renewed[1].at - renewed[0].at > days{15});
    CHECK(type_of(site.ask(hello("a.test", rsa_alone()))) == key_type::rsa_2048);
    CHECK(type_of(site.ask(hello("a.test", p256_alone()))) == key_type::ec_p256);
}

TEST_CASE("certificates with different keys count as certificates for the same names") {
    ca_limits limits;
    limits.certificates_per_name_set = {2, days{7}};
    fixture site{
        [&](auto& options) {
            options.key_types = {key_type::ec_p256, key_type::rsa_2048, key_type::ec_p384};
            options.limits = limits;
        },
        [&](auto& options) { options.limits = limits; }};
    site.ask(hello("a.test", p256_alone()));
    site.ask(hello("a.test", rsa_alone()));
    const auto p384_alone = test::takes(signature_schemes{}.add(signature_scheme::ecdsa_secp384r1_sha384));
    CHECK_FALSE(site.ask(hello("a.test", p384_alone)));
    CHECK(site.refusal == errc::rate_limited);
    CHECK(site.refusal_text.find("certificates_per_name_set") != std::string::npos);
    CHECK(site.ca->count("newOrder") == 2);
    CHECK(site.ca->limit_violations() == 0);
    site.pass(days{4});
    CHECK(type_of(site.ask(hello("a.test", p384_alone))) == key_type::ec_p384);
    CHECK(site.ca->limit_violations() == 0);
}

TEST_CASE("the second certificate of a name is none of a new host") {
    fixture site{[](auto& options) {
        ecdsa_and_rsa(options);
        options.new_hosts = {std::chrono::hours{3}, 1};
    }};
    site.manager->allow_any_host();
    CHECK(site.ask(hello("a.test", p256_alone())));
    CHECK(site.ask(hello("a.test", rsa_alone())));
    CHECK_FALSE(site.ask(hello("b.test", rsa_alone())));
    CHECK(site.refusal == errc::rate_limited);
}

TEST_CASE("one key type that the CA refuses does not hold up the other") {
    fixture site;
    site.ask(hello("a.test", p256_alone()));
    site.ca->fail_next("finalize", 400, "badCSR");
    CHECK_FALSE(site.ask(hello("a.test", rsa_alone())));
    CHECK(site.refusal != std::error_code{});
    CHECK(type_of(site.ask(hello("a.test", p256_alone()))) == key_type::ec_p256);
    bool shown = false;
    for (const auto& one : site.manager->status().certificates)
        shown = shown || (one.key == key_type::rsa_2048 && one.state == certificate_state::failed);
    CHECK(shown);
    site.manager->forget_failures("a.test");
    site.pass(1s);
    CHECK(type_of(site.ask(hello("a.test", rsa_alone()))) == key_type::rsa_2048);
}

TEST_CASE("what was kept before names had one certificate of each kind is found, and moves to its place") {
    fixture site{rsa_only};
    site.ask("a.test");
    auto old = site.stored("certificates/a.test:rsa");
    REQUIRE(old);
    site.stop();
    site.run(site.store->remove("certificates/a.test:rsa"));
    site.run(site.store->save("certificates/a.test", *old, {}));
    site.make_manager();
    SECTION("by the background work") {
        site.start();
        REQUIRE(site.until([&] { return site.stored("certificates/a.test:rsa").has_value(); }, 1min));
        REQUIRE(site.until([&] { return !site.stored("certificates/a.test"); }, 1min));
    }
    SECTION("by the first client") {}
    CHECK(type_of(site.ask("a.test")) == key_type::rsa_2048);
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE("a state that was marshalled keeps both, and one of before is read") {
    fixture site;
    site.ask(hello("a.test", p256_alone()));
    site.ask(hello("a.test", rsa_alone()));
    const auto text = site.manager->marshal();
    site.manager->unmarshal(text);
    CHECK(site.manager->marshal() == text);
    CHECK(type_of(site.ask(hello("a.test", rsa_alone()))) == key_type::rsa_2048);
    state old{site.ca->directory_url()};
    auto items = read_document(text);
    items["certificates/a.test"] = items.at("certificates/a.test:rsa");
    items.erase("certificates/a.test:rsa");
    site.manager->unmarshal(write_document(items));
    CHECK(site.manager->find("a.test")->key().type() == key_type::rsa_2048);
    CHECK(read_document(site.manager->marshal()).contains("certificates/a.test:rsa"));
}

TEST_CASE(
    "a key type that is wanted no more is renewed by the preferred one, and its certificate serves until its end") {
    fixture site;
    site.ask(hello("a.test", p256_alone()));
    site.restart(rsa_only);
    site.manager->set_hosts({"a.test"});
    site.pass(1s);
    CHECK(type_of(site.manager->find("a.test")) == key_type::ec_p256);
    REQUIRE(site.until([&] { return site.ca->count("newOrder") == 2; }, days{90}));
    site.pass(1min);
    CHECK(type_of(site.ask(hello("a.test", p256_or_rsa()))) == key_type::rsa_2048);
    CHECK(type_of(site.ask(hello("a.test", p256_alone()))) == key_type::ec_p256);
    site.pass(days{5});
    CHECK(site.ca->count("newOrder") == 2);
}

TEST_CASE("keys of the store say the kind of key, and the first kind is as it always was") {
    CHECK(certificate_key({"a.test"}) == "certificates/a.test");
    CHECK(certificate_key({"a.test"}, key_kind::rsa) == "certificates/a.test:rsa");
    CHECK(certificate_key({"a.test"}, key_kind::ec_p384) == "certificates/a.test:p384");
    const auto both = certificate_key({"a.test", "b.test"});
    CHECK(certificate_key({"a.test", "b.test"}, key_kind::rsa) == both + ":rsa");
    const std::vector<std::vector<identifier>> sets{{"a.test"}, {"a.test", "b.test"}, {"2001:db8::1"}, {"192.0.2.1"}};
    for (const auto& names : sets)
        for (const auto kind : {key_kind::ec_p256, key_kind::ec_p384, key_kind::rsa, key_kind::ed25519}) {
            const auto key = certificate_key(names, kind);
            CHECK(kind_in(key) == kind);
            CHECK(for_kind(key, key_kind::ec_p256) == certificate_key(names));
            CHECK(for_kind(certificate_key(names), kind) == key);
        }
}
