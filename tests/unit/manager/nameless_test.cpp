#include "catch.hpp"
#include "certificates.hpp"
#include "clients.hpp"
#include "crypto/self_signed.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using std::chrono::days;
using test::hello, test::p256_alone, test::rsa_alone;

namespace {

struct fixture : test::simulated_site {
    explicit fixture(change adjust = {}) : simulated_site{std::move(adjust)} {
        start();
        manager->set_hosts({"a.test"});
    }
    certificate_ptr add(std::vector<identifier> names, own_certificate_options options, key_type type = {}) {
        const auto own = ca_of_mine.issue(std::move(names), {clock->wall() - 1h, clock->wall() + days{90}}, type);
        manager->add_certificate(own->chain_pem(), own->key().to_pem(), options);
        return own;
    }
    std::string nameless(client_support support = {}, const char* local = "192.0.2.7") {
        auto said = hello("", support);
        said.local.address = asio::ip::make_address(local);
        const auto got = ask(std::move(said));
        return got ? got->serial() : std::string{};
    }

    test::authority ca_of_mine{clock->wall()};
};

void default_a(manager_options& options) { options.default_name = identifier{"a.test"}; }

}  // namespace

TEST_CASE("a client without a server name is refused if nothing says what it is to get") {
    fixture site;
    CHECK(site.nameless().empty());
    CHECK(site.refusal == errc::no_server_name);
    CHECK(site.requests() == 0);
}

TEST_CASE("a client without a server name gets what the default name has, obtained at first need") {
    fixture site{default_a};
    const auto got = site.nameless();
    CHECK(got == site.manager->find("a.test")->serial());
    CHECK(site.nameless() == got);
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE(
    "for a client without a server name its address goes first, then the application's own, then the default name") {
    fixture site{default_a};
    const auto of_name = site.nameless();
    const auto own = site.add({"own.test"}, {.for_no_name = true});
    CHECK(site.nameless() == own->serial());
    const auto of_address = site.add({"192.0.2.7"}, {});
    CHECK(site.nameless() == of_address->serial());
    CHECK(site.nameless({}, "::ffff:192.0.2.7") == of_address->serial());
    CHECK(site.nameless({}, "192.0.2.8") == own->serial());
    CHECK(site.nameless(rsa_alone()).empty());
    CHECK(site.refusal == errc::tls_failed);
    site.manager->remove_certificate("192.0.2.7");
    site.manager->remove_certificate("own.test");
    CHECK(site.nameless() == of_name);
}

TEST_CASE("of several own certificates for clients without a server name each gets one that it can use") {
    fixture site;
    const auto ecdsa = site.add({"x.test"}, {.for_no_name = true});
    const auto rsa = site.add({"x.test"}, {.for_no_name = true}, key_type::rsa_2048);
    CHECK(site.nameless() == ecdsa->serial());
    CHECK(site.nameless(rsa_alone()) == rsa->serial());
    CHECK(site.nameless(p256_alone()) == ecdsa->serial());
}

TEST_CASE("an own certificate without a name that a client can ask for serves those who ask for none, or nobody") {
    fixture site;
    const auto key = private_key::generate();
    // No evercert::identifier is of one label, so its certificate has none.
    const auto made = make_root("broker", key, {site.clock->wall() - 1h, site.clock->wall() + days{30}});
    CHECK_THROWS_AS(site.manager->add_certificate(made.chain_pem(), key.to_pem()), error);
    site.manager->add_certificate(made.chain_pem(), key.to_pem(), {.for_no_name = true});
    CHECK(site.nameless() == made.serial());
    site.pass(days{29});
    CHECK(site.heard(event_type::expiring) == 1);
    site.pass(days{5});
    CHECK(site.heard(event_type::expired) == 1);
    CHECK(site.nameless() == made.serial());
}
