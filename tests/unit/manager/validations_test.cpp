// What is known of a validation, and what it costs if it is not known.

#include "catch.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

/// One failed validation of a name closes it for an hour.
void one_failure_an_hour(manager_options& options) {
    auto limits = lets_encrypt_limits();
    limits.failed_authorizations = {1, 1h};
    options.limits = limits;
}

/// The CA takes so long to look.
test::simulated_site::ca_change slow(std::chrono::seconds by) {
    return [=](auto& ca) { ca.validation_delay = by; };
}

}  // namespace

TEST_CASE("an order goes on when the answer to its challenge is lost, and the CA is told once") {
    test::simulated_site site;
    site.start();
    site.ca->faults().lose_every(1, "challenge");
    CHECK(site.cert("a.test")->covers("a.test"));
    CHECK(site.ca->count("challenge") == 1);
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE("a challenge that the CA did not hear of is told again in the same order") {
    test::simulated_site site;
    site.start();
    site.ca->fail_next("challenge", 503, "", "busy");
    CHECK(site.cert("a.test")->covers("a.test"));
    CHECK(site.ca->count("challenge") == 2);
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE("a challenge that the CA refuses ends the order at once, and is no failed validation") {
    test::simulated_site site{one_failure_an_hour};
    site.start();
    site.ca->fail_next("challenge", 403, "malformed", "no");
    CHECK_THROWS_AS(site.cert("a.test"), error);
    CHECK(site.time.elapsed() < 1min);
    CHECK(site.manager->can_issue({"a.test"}).now);
}

TEST_CASE("a validation counts as failed until the CA says that it did not") {
    test::simulated_site site{one_failure_an_hour, slow(60s)};
    site.start();
    test::started<certificate_ptr> asked{site.io.get_executor(), site.manager->cert("a.test")};
    REQUIRE(site.until([&] { return site.ca->count("challenge") == 1; }, 10s));
    const auto meanwhile = site.manager->can_issue({"a.test"});
    CHECK_FALSE(meanwhile.now);
    CHECK(meanwhile.because.find("failed validations of a.test") != std::string::npos);

    SECTION("which it says") {
        REQUIRE(site.until([&] { return asked.ended(); }, 10min));
        CHECK(asked.take()->covers("a.test"));
        CHECK(site.manager->can_issue({"a.test"}).now);
    }
    SECTION("which nobody hears who was stopped") {
        site.restart();
        site.pass(1s);
        CHECK_FALSE(site.manager->can_issue({"a.test"}).now);
        CHECK_THROWS_AS(site.cert("a.test"), error);
        CHECK(site.ca->count("newOrder") == 1);
        CHECK_THROWS_AS(asked.take(), std::system_error);
    }
}

TEST_CASE("what the CA still validates keeps its challenge when another name of the order has failed") {
    test::simulated_site site{one_failure_an_hour, slow(60s)};
    site.start();
    site.ca->faults().fail_validations(2, "connection", "no");
    site.cert("before.test");
    const std::vector<identifier> both{"a.test", "b.test"};
    CHECK_THROWS_AS(site.run(site.manager->manage(both)), error);
    CHECK_FALSE(site.manager->can_issue({"a.test"}).now);
    CHECK(site.manager->can_issue({"b.test"}).now);
}
