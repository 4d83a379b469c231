#include "catch.hpp"
#include "certificates.hpp"
#include "clients.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using std::chrono::days;
using test::hello, test::p256_alone, test::p256_or_rsa, test::rsa_alone;

namespace {

struct fixture : test::simulated_site {
    explicit fixture(change adjust = {}) : simulated_site{std::move(adjust)} {
        start();
        manager->set_hosts({"a.test"});
    }
    certificate_ptr issue(
        std::vector<identifier> names, duration lifetime = days{90}, key_type type = key_type::ec_p256) {
        return ca_of_mine.issue(std::move(names), {clock->wall() - 1h, clock->wall() + lifetime}, type);
    }
    certificate_ptr add(const certificate_ptr& own, own_certificate_options options = {}) {
        manager->add_certificate(own->chain_pem(), own->key().to_pem(), options);
        return own;
    }
    bool serves(const client_hello& said, const certificate_ptr& own) {
        const auto got = ask(said);
        return got && got->serial() == own->serial() && got->issuer() == own->issuer();
    }

    test::authority ca_of_mine{clock->wall()};
};

std::error_code refused(fixture& site, std::string_view chain, std::string_view key) {
    try {
        site.manager->add_certificate(chain, key);
    } catch (const error& e) {
        return e.code();
    }
    return {};
}

}  // namespace

TEST_CASE("an own certificate serves its names, is in no host list, and nothing is ordered") {
    fixture site;
    const auto own = site.add(site.issue({"mine.test", "*.mine.test"}));
    CHECK(site.serves(hello("mine.test"), own));
    CHECK(site.serves(hello("www.mine.test"), own));
    CHECK(site.cert("mine.test")->serial() == own->serial());
    CHECK_FALSE(site.ask("deep.www.mine.test"));
    CHECK(site.refusal == errc::name_not_allowed);
    CHECK(site.requests() == 0);
    CHECK(site.manager->marshal().find("mine.test") == std::string::npos);
    site.pass(days{80});
    CHECK(site.requests() == 0);
}

TEST_CASE("an own certificate goes before the manager's for the clients that can use it, until it has ended") {
    fixture site;
    const auto managed = site.ask("a.test");
    const auto own = site.add(site.issue({"a.test"}, days{10}, key_type::rsa_2048));
    CHECK(site.serves(hello("a.test", p256_or_rsa()), own));
    CHECK(site.serves(hello("a.test", rsa_alone()), own));
    CHECK(site.serves(hello("a.test", p256_alone()), managed));
    site.pass(days{11});
    CHECK(site.serves(hello("a.test", p256_or_rsa()), managed));
    // Better one that has ended than none.
    CHECK(site.serves(hello("a.test", rsa_alone()), own));
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE("when an own certificate has ended, the manager obtains one for a name that it may") {
    fixture site;
    const auto own = site.add(site.issue({"a.test", "b.test"}, days{10}));
    CHECK(site.serves(hello("a.test"), own));
    site.pass(days{11});
    const auto obtained = site.ask("a.test");
    CHECK(obtained->serial() != own->serial());
    CHECK(site.ca->count("newOrder") == 1);
    CHECK(site.serves(hello("b.test"), own));  // which no list admits
}

TEST_CASE("an own certificate replaces the one for the same names and kind of key, however long each lasts") {
    fixture site;
    const auto first = site.add(site.issue({"x.test", "y.test"}, days{90}));
    const auto rsa = site.add(site.issue({"x.test", "y.test"}, days{90}, key_type::rsa_2048));
    const auto shorter = site.add(site.issue({"y.test", "x.test"}, days{20}));
    CHECK(site.serves(hello("x.test"), shorter));
    CHECK(site.serves(hello("x.test", rsa_alone()), rsa));
    CHECK(site.manager->status().certificates.size() == 3);  // and a.test
    site.manager->remove_certificate("x.test");
    CHECK_FALSE(site.ask("y.test"));
    CHECK_FALSE(site.manager->remove_certificate("x.test"));
}

TEST_CASE("what cannot serve is refused as an own certificate, and nothing changes") {
    fixture site;
    const auto own = site.add(site.issue({"x.test"})), other = site.issue({"x.test"});
    const auto chain = own->chain_pem();
    CHECK(refused(site, chain, other->key().to_pem()) == errc::key_mismatch);
    CHECK(refused(site, "", own->key().to_pem()) == errc::invalid_certificate);
    CHECK(refused(site, chain, "") == errc::invalid_key);
    CHECK(refused(site, chain.substr(0, chain.size() / 2), own->key().to_pem()) == errc::invalid_certificate);
    CHECK(refused(site, chain + site.issue({"z.test"})->chain_pem(), own->key().to_pem()) == errc::chain_incomplete);
    CHECK(site.serves(hello("x.test"), own));
    CHECK(site.manager->status().certificates.size() == 2);
    // A file of both is what HAProxy wants, and does here.
    CHECK_FALSE(refused(site, own->key().to_pem() + chain, own->key().to_pem() + chain));
}

TEST_CASE("there are as many own certificates as the option lets") {
    fixture site{[](auto& options) { options.own_certificates_max = 2; }};
    site.add(site.issue({"x.test"}));
    site.add(site.issue({"y.test"}));
    const auto third = site.issue({"z.test"});
    CHECK(refused(site, third->chain_pem(), third->key().to_pem()) == errc::invalid_options);
    site.add(site.issue({"y.test"}));
    CHECK_FALSE(site.ask("z.test"));
}

TEST_CASE("status shows own certificates, and events tell when they come to their ends") {
    fixture site;
    const auto own = site.add(site.issue({"x.test"}, days{100}));
    auto status = site.status("x.test");
    CHECK(status.origin == certificate_origin::own);
    CHECK(status.key == key_type::ec_p256);
    CHECK(status.state == certificate_state::valid);
    CHECK(status.not_after == own->not_after());
    CHECK(status.next == next_act::none);
    CHECK_FALSE(status.next_at);
    CHECK(to_json(status).find("\"origin\":\"own\"") != std::string::npos);
    site.pass(days{94});
    CHECK(site.heard(event_type::expiring) == 0);
    site.pass(days{2});
    CHECK(site.heard(event_type::expiring) == 1);
    CHECK(site.status("x.test").state == certificate_state::expiring);
    site.pass(days{5});
    CHECK(site.heard(event_type::expired) == 1);
    CHECK(site.status("x.test").state == certificate_state::expired);
    site.add(site.issue({"x.test"}, days{100}));
    CHECK(site.status("x.test").state == certificate_state::valid);
    site.pass(days{20});
    CHECK(site.heard(event_type::expiring) == 1);
    CHECK(site.heard(event_type::forgotten) == 0);
}

TEST_CASE("an own certificate that has ended when it is added is told of once, and served") {
    fixture site;
    const auto old = site.ca_of_mine.issue({"x.test"}, {site.clock->wall() - days{50}, site.clock->wall() - days{1}});
    site.add(old);
    site.pass(days{1});
    CHECK(site.heard(event_type::expired) == 1);
    CHECK(site.heard(event_type::expiring) == 0);
    site.manager->set_hosts({});
    CHECK(site.serves(hello("x.test"), old));
}
