#include "catch.hpp"
#include "orders_fixture.hpp"
#include "testing/refusal.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;

namespace {

struct limited : orders_fixture {
    explicit limited(std::function<void(ca_limits&)> adjust) : orders_fixture{with(adjust)} {}

    static evercert::testing::acme_server_options with(const std::function<void(ca_limits&)>& adjust) {
        ca_limits limits;
        limits.replacements_exempt = true;
        adjust(limits);
        evercert::testing::acme_server_options options;
        options.limits = limits;
        return options;
    }

    std::string order(std::string_view name) { return gist(client.post("/new-order", order_of({name}))); }
    std::string replace(const std::string& id, std::string_view name) {
        auto payload = order_of({name});
        payload["replaces"] = id;
        return gist(client.post("/new-order", payload));
    }
    /// Its id for renewal information.
    std::string obtain(std::string_view name) {
        REQUIRE(status_of(finalize(ready_order({name}), {identifier{name}})) == "valid");
        return ca.core.certificates().back().renewal_id;
    }
    int violations() { return ca.core.limiter().violations(); }
};

}  // namespace

TEST_CASE("the CA's orders of an account come back one by one") {
    limited f{[](ca_limits& limits) { limits.orders = {3, 3h}; }};
    for (const auto* name : {"a.test", "b.test", "c.test"})
        CHECK(f.order(name) == "201");
    const auto refused = f.client.post("/new-order", order_of({"d.test"}));
    CHECK(gist(refused) == "429 rateLimited");
    CHECK(refused.fields.get("Retry-After") == "3600");
    CHECK_THAT(
        text_of(object_of(refused).at("detail")),
        Catch::Matchers::ContainsSubstring("retry after 2026-06-01 01:00:00 UTC"));
    CHECK(f.violations() == 1);
    CHECK_THAT(
        f.ca.core.limiter().latest().back(),
        Catch::Matchers::ContainsSubstring("newOrder of account 1 for d.test: there were 3"));

    f.ca.advance(1h - 1s);
    CHECK(f.order("d.test") == "429 rateLimited");
    f.ca.advance(1s);
    CHECK(f.order("d.test") == "201");
    CHECK(f.order("e.test") == "429 rateLimited");

    client_by_hand other{f.ca};
    other.register_account();
    CHECK(gist(other.post("/new-order", order_of({"e.test"}))) == "201");
}

TEST_CASE("the CA counts certificates by registered domain, when they are issued") {
    limited f{[](ca_limits& limits) { limits.certificates_per_domain = {2, 7 * 24h}; }};
    const auto id = f.obtain("a.example.com");
    CHECK(f.order("b.example.com") == "201");
    CHECK(f.order("c.example.com") == "201");
    f.obtain("d.example.com");
    CHECK(f.order("e.example.com") == "429 rateLimited");
    CHECK(f.order("example.org") == "201");
    // The same names are a renewal, and one that says what it replaces is exempt whatever its names are.
    CHECK(f.order("a.example.com") == "201");
    CHECK(f.replace(id, "a.example.com") == "201");
    f.ca.advance(84h);
    CHECK(f.order("e.example.com") == "201");
    CHECK(f.violations() == 1);
}

TEST_CASE("the CA issues so often for the same names, but for what replaces") {
    limited f{[](ca_limits& limits) {
        limits.certificates_per_name_set = {2, 7 * 24h};
        limits.orders = {2, 3h};
    }};
    f.obtain("a.test");
    const auto id = f.obtain("a.test");
    CHECK(f.order("a.test") == "429 rateLimited");
    CHECK(f.replace(id, "a.test") == "201");
    // The second order was a renewal, and left room for this one.
    CHECK(f.order("b.test") == "201");
    CHECK(f.order("c.test") == "429 rateLimited");
}

TEST_CASE("the CA refuses names of which the account failed too often") {
    limited f{[](ca_limits& limits) { limits.failed_authorizations = {2, 1h}; }};
    for (int i = 0; i < 2; ++i) {
        f.answer_challenges(f.new_order({"a.test"}));
        f.ca.validate(evercert::testing::acme_problem(403, "unauthorized", "no"));
    }
    CHECK(f.order("a.test") == "429 rateLimited");
    CHECK(f.order("b.test") == "201");
    f.ca.advance(30min);
    CHECK(f.order("a.test") == "201");
}

TEST_CASE("the CA makes so many accounts for an address") {
    limited f{[](ca_limits& limits) { limits.accounts = {2, 3h}; }};
    client_by_hand second{f.ca};
    client_by_hand third{f.ca};
    const boost::json::object payload{{"termsOfServiceAgreed", true}};
    CHECK(gist(second.post("/new-account", payload)) == "201");
    CHECK(gist(third.post("/new-account", payload)) == "429 rateLimited");
    CHECK(gist(second.post("/new-account", payload)) == "200");
    f.ca.advance(90min);
    CHECK(gist(third.post("/new-account", payload)) == "201");
}

TEST_CASE("a CA without limits refuses nothing") {
    orders_fixture f;
    for (int i = 0; i < 400; ++i)
        REQUIRE(gist(f.client.post("/new-order", order_of({"a.test"}))) == "201");
    CHECK(f.ca.core.limiter().violations() == 0);
}
