#include "catch.hpp"
#include "clients.hpp"
#include "crypto/self_signed.hpp"
#include "manager/self_signer.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using std::chrono::days;
using test::hello, test::rsa_alone;

namespace {

struct fixture : test::simulated_site {
    explicit fixture(change adjust = {})
        : simulated_site{[adjust](auto& options) {
              options.self_signed_meanwhile = true;
              if (adjust)
                  adjust(options);
          }} {
        start();
        manager->set_hosts({"a.test", "b.test"});
    }
};

bool is_self_signed(const certificate_ptr& cert) {
    REQUIRE(cert);
    return cert->issuer().find("self-signed") != std::string::npos;
}

}  // namespace

TEST_CASE("with the option a client gets a self-signed certificate at once, and the next ones the real one") {
    fixture site;
    const auto begin = site.time.elapsed();
    const auto first = site.ask("a.test");
    CHECK(site.time.elapsed() - begin < 1s);
    CHECK(is_self_signed(first));
    CHECK(first->covers("a.test"));
    CHECK(first->not_after() > site.clock->wall() + days{6});
    CHECK_FALSE(site.manager->find("a.test"));
    CHECK(site.ask("a.test")->serial() == first->serial());
    site.pass(1min);
    const auto real = site.ask("a.test");
    CHECK_FALSE(is_self_signed(real));
    CHECK(site.ca->count("newOrder") == 1);
    CHECK(site.manager->find("a.test") == real);
}

TEST_CASE("a self-signed certificate is never kept, shown, renewed or counted") {
    fixture site;
    site.ca->fail_all("newOrder", 503, "serverInternal");
    for (int day = 0; day < 20; ++day) {
        CHECK(is_self_signed(site.ask("a.test")));
        site.pass(days{1});
    }
    CHECK(site.manager->marshal().find("BEGIN CERTIFICATE") == std::string::npos);
    CHECK(site.run(site.store->list("certificates/")).empty());
    const auto status = site.status("a.test");
    CHECK(status.state == certificate_state::failed);
    CHECK_FALSE(status.not_after);
    CHECK(site.heard(event_type::published) == 0);
    CHECK(site.heard(event_type::expiring) == 0);
    site.ca->recover();
    CHECK(is_self_signed(site.ask("a.test")));
    REQUIRE(site.until([&] { return site.manager->find("a.test") != nullptr; }, days{2}));
}

TEST_CASE("strangers' names get no self-signed certificate") {
    fixture site;
    CHECK_FALSE(site.ask("stranger.test"));
    CHECK(site.refusal == errc::name_not_allowed);
    fixture asking{[](auto& options) {
        options.admission = [](identifier name) -> asio::awaitable<bool> { co_return name == "yes.test"; };
    }};
    CHECK_FALSE(asking.ask("no.test"));
    CHECK(asking.refusal == errc::name_not_allowed);
    CHECK(is_self_signed(asking.ask("yes.test")));
}

TEST_CASE("a client that cannot use the self-signed certificate waits for the real one") {
    fixture site{[](auto& options) { options.key_types = {key_type::rsa_2048}; }};
    const auto got = site.ask(hello("a.test", rsa_alone()));
    CHECK_FALSE(is_self_signed(got));
}

TEST_CASE("without the option a client waits, as for every first certificate") {
    test::simulated_site site;
    site.start();
    site.manager->set_hosts({"a.test"});
    CHECK_FALSE(is_self_signed(site.ask("a.test")));
}

TEST_CASE("self-signed certificates are made anew before they end, and their number is bounded") {
    self_signer signer;
    const auto begin = wall_time{days{20'000}};
    const auto first = signer.get("a.test", begin);
    CHECK(signer.get("a.test", begin + days{2}) == first);
    CHECK(signer.get("b.test", begin)->key() == first->key());
    const auto later = signer.get("a.test", begin + days{5});
    CHECK(later != first);
    CHECK(later->not_after() > first->not_after());
    for (std::size_t i = 0; i < self_signer::names_max; ++i)
        signer.get(identifier{"n" + std::to_string(i) + ".test"}, begin + days{5});
    CHECK(signer.get("a.test", begin + days{5}) != later);
}
