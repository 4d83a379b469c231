#include <asio/io_context.hpp>

#include <evercert/certificate.hpp>
#include <evercert/testing/acme_server.hpp>

#include "catch.hpp"
#include "crypto/verify.hpp"
#include "orders_fixture.hpp"
#include "testing/refusal.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;
using evercert::testing::make_fault;
using evercert::testing::resource;
using fixture = orders_fixture;

namespace {

const boost::json::object registration{{"termsOfServiceAgreed", true}};

std::string obtain(fixture& f, std::string_view name) {
    REQUIRE(status_of(f.finalize(f.ready_order({name}), {identifier{name}})) == "valid");
    return f.ca.core.certificates().back().renewal_id;
}

std::string start_of(fixture& f, const std::string& id) {
    return text_of(object_of(f.ca.handle({"GET", "/renewal-info/" + id})).at("suggestedWindow").at("start"));
}

}  // namespace

TEST_CASE("every nth request fails until it does no more") {
    fixture f;
    const auto order = [&] { return gist(f.client.post("/new-order", order_of({"a.test"}))); };
    f.ca.core.faults().fail_every(3, resource::new_order, make_fault(429, "rateLimited", "slow down", {}));
    for (int i = 0; i < 2; ++i) {
        CHECK(order() == "201");
        CHECK(order() == "201");
        CHECK(order() == "429 rateLimited");
    }
    f.ca.core.faults().fail_every(0, resource::new_order, make_fault(500, "", "", {}));
    for (int i = 0; i < 4; ++i)
        CHECK(order() == "201");
    CHECK_THROWS_AS(
        f.ca.core.faults().fail_every(-1, resource::new_order, make_fault(500, "", "", {})), evercert::error);
}

TEST_CASE("what is said of one resource comes before what is said of all") {
    fixture f;
    f.ca.core.faults().fail_every(1, {}, make_fault(503, "", "down", "7200"));
    f.ca.core.faults().fail_every(1, resource::new_order, make_fault(400, "orderNotReady", "odd", {}));
    CHECK(gist(f.ca.handle({"GET", "/directory"})) == "503");
    CHECK(f.ca.handle({"GET", "/directory"}).fields.get("Retry-After") == "7200");
    CHECK(gist(f.client.post("/new-order", order_of({"a.test"}))) == "400 orderNotReady");
    // One that ended does not keep from it what is said of all.
    f.ca.core.faults().fail_every(0, resource::new_order, make_fault(400, "orderNotReady", "odd", {}));
    CHECK(gist(f.client.post("/new-order", order_of({"a.test"}))) == "503");
    f.ca.core.recover();
    CHECK(gist(f.client.post("/new-order", order_of({"a.test"}))) == "201");
}

TEST_CASE("a request whose answer is lost has its effect") {
    fixture f;
    auto& faults = f.ca.core.faults();
    client_by_hand other{f.ca};
    faults.lose_every(1, resource::new_account);
    CHECK(other.post("/new-account", registration).status == 0);
    faults.lose_every(0, resource::new_account);
    CHECK(gist(other.post("/new-account", registration)) == "200");

    const auto order = f.ready_order({"a.test"});
    faults.lose_every(1, resource::finalize);
    CHECK(f.finalize(order, {"a.test"}).status == 0);
    CHECK(f.status(order.at("url")) == "valid");
    f.ca.core.recover();
    CHECK(gist(f.finalize(order, {"a.test"})) == "403 orderNotReady");
}

TEST_CASE("orders hang in processing until they do no more, or expire") {
    fixture f;
    f.ca.core.hang_orders(true);
    const auto first = f.ready_order({"a.test"});
    CHECK(status_of(f.finalize(first, {"a.test"})) == "processing");
    f.ca.advance(24h);
    CHECK(f.status(first.at("url")) == "processing");
    f.ca.core.hang_orders(false);
    CHECK(f.status(first.at("url")) == "valid");

    f.ca.core.hang_orders(true);
    const auto second = f.ready_order({"b.test"});
    f.finalize(second, {"b.test"});
    f.ca.advance(7 * 24h);
    CHECK(f.status(second.at("url")) == "invalid");
}

TEST_CASE("every nth validation fails as it was said") {
    fixture f;
    f.ca.core.fail_validations(2, evercert::testing::acme_problem(400, "caa", "CAA forbids it"));
    const auto order = f.new_order({"a.test", "b.test"});
    f.answer_challenges(order);
    f.ca.validate();
    CHECK(f.status(order.at("authorizations").at(0)) == "valid");
    const auto failed = f.read(order.at("authorizations").at(1));
    CHECK(failed.at("status") == "invalid");
    CHECK(failed.at("challenges").at(0).at("error").at("type") == "urn:ietf:params:acme:error:caa");
}

TEST_CASE("an account that is forgotten is registered anew") {
    fixture f;
    const auto order = f.new_order({"a.test"});
    f.ca.core.forget_accounts();
    CHECK(gist(f.client.post("/new-order", order_of({"a.test"}))) == "400 accountDoesNotExist");
    f.client.kid.clear();
    CHECK(gist(f.client.post("/new-account", {{"onlyReturnExisting", true}})) == "400 accountDoesNotExist");
    f.client.register_account();
    CHECK(f.client.kid == base_url + "/account/2");
    CHECK(gist(f.client.post("/new-order", order_of({"a.test"}))) == "201");
    CHECK(gist(f.client.post(path_of(order.at("url")))) == "403 unauthorized");
}

TEST_CASE("everything that is out is revoked at once") {
    fixture f;
    const auto one = obtain(f, "a.test");
    f.ca.advance(100 * 24h);
    const auto other = obtain(f, "b.test");
    CHECK(f.ca.core.revoke_all(f.ca.now, "https://ca.test/why") == 1);
    CHECK(f.ca.core.revoke_all(f.ca.now, {}) == 0);
    CHECK(start_of(f, other) == "2026-09-08T23:00:00Z");
    CHECK(object_of(f.ca.handle({"GET", "/renewal-info/" + other})).at("explanationURL") == "https://ca.test/why");
    CHECK(f.ca.core.certificates().back().revoked);
}

TEST_CASE("a new issuer's certificates verify, and so do those before it") {
    fixture f;
    obtain(f, "a.test");
    const certificate before{f.ca.core.certificates().back().chain_pem, f.key};
    const auto roots_before = f.ca.core.roots_pem();
    f.ca.core.replace_issuer(f.ca.now.wall);
    const auto id = obtain(f, "b.test");
    const certificate after{f.ca.core.certificates().back().chain_pem, f.key};
    verify_chain(before, f.ca.core.roots_pem(), start);
    verify_chain(after, f.ca.core.roots_pem(), start);
    CHECK_THROWS_AS(verify_chain(after, roots_before, start), error);
    CHECK(start_of(f, id) == "2026-07-30T02:24:00Z");
}

TEST_CASE("lifetimes shorten while certificates are out") {
    fixture f;
    obtain(f, "a.test");
    f.ca.core.lifetime(6 * 24h);
    const auto id = obtain(f, "b.test");
    const certificate issued{f.ca.core.certificates().back().chain_pem, f.key};
    CHECK(issued.not_after() - issued.not_before() == 6 * 24h);
    CHECK(start_of(f, id) == "2026-06-04T22:33:36Z");
}

TEST_CASE("renewal information is malformed, shifted or stale as it was said") {
    fixture f;
    const auto id = obtain(f, "a.test");
    f.ca.core.renewal_info_body("{\"suggestedWindow\":");
    CHECK(f.ca.handle({"GET", "/renewal-info/" + id}).body == "{\"suggestedWindow\":");
    f.ca.core.renewal_info_body({});
    f.ca.core.shift_renewal_windows(-24h);
    CHECK(start_of(f, id) == "2026-07-29T02:24:00Z");
    f.ca.core.shift_renewal_windows({});

    f.ca.core.stale_renewal_info(true);
    f.ca.core.revoke_all(f.ca.now, {});
    CHECK(start_of(f, id) == "2026-07-30T02:24:00Z");
    f.ca.core.recover();
    CHECK(start_of(f, id) == "2026-05-31T23:00:00Z");

    f.ca.core.renewal_info_retry_after("60");
    CHECK(f.ca.handle({"GET", "/renewal-info/" + id}).fields.get("Retry-After") == "60");
}

TEST_CASE("what is issued is told, with what it replaces") {
    fixture f;
    const auto id = obtain(f, "a.test");
    const auto first = f.ca.core.take_issued();
    REQUIRE(first.size() == 1);
    CHECK(first[0].names == std::vector<identifier>{"a.test"});
    CHECK(first[0].account == 1);
    CHECK(first[0].not_before == start);
    CHECK(first[0].not_after == start + 90 * 24h);
    CHECK(first[0].replaces.empty());

    auto payload = order_of({"a.test"});
    payload["replaces"] = id;
    auto order = object_of(f.client.post("/new-order", payload));
    f.answer_challenges(order);
    f.ca.validate();
    f.finalize(order, {"a.test"});
    const auto second = f.ca.core.take_issued();
    REQUIRE(second.size() == 1);
    CHECK(second[0].replaces == first[0].serial);
    CHECK(f.ca.core.take_issued().empty());
}

TEST_CASE("faults and limits that cannot be are refused") {
    asio::io_context io;
    evercert::testing::acme_server ca{io.get_executor(), {}};
    CHECK_THROWS_AS(ca.faults().fail_every(-1, "", 500, ""), error);
    CHECK_THROWS_AS(ca.faults().fail_every(1, "orderz", 500, ""), error);
    CHECK_THROWS_AS(ca.faults().lose_every(1, "orderz"), error);
    CHECK_THROWS_AS(ca.faults().fail_validations(-1, "dns"), error);
    CHECK_THROWS_AS(ca.faults().lifetime(0s), error);
    evercert::testing::acme_server_options options;
    options.limits.emplace().orders = {3, 0s};
    CHECK_THROWS_AS((evercert::testing::acme_server{io.get_executor(), options}), error);
}

TEST_CASE("what is ordered is told, and what is refused is not") {
    fixture f;
    f.ready_order({"a.test", "b.test"});
    f.ca.core.faults().fail_next(
        resource::new_order, {evercert::testing::acme_problem(503, "serverInternal", "no"), ""});
    CHECK(gist(f.client.post("/new-order", order_of({"c.test"}))) == "503 serverInternal");
    const auto placed = f.ca.core.take_ordered();
    REQUIRE(placed.size() == 1);
    CHECK(placed[0].names == std::vector<identifier>{"a.test", "b.test"});
    CHECK(placed[0].account == 1);
    CHECK(f.ca.core.take_ordered().empty());
}

TEST_CASE("a finalize for an order that was finalized is noted") {
    fixture f;
    const auto& careless = f.ca.core.careless();
    const auto first = f.ready_order({"a.test"});
    CHECK(gist(f.finalize(first, {"b.test"})) == "400 badCSR");
    CHECK(status_of(f.finalize(first, {"a.test"})) == "valid");
    CHECK(careless.count() == 0);
    CHECK(gist(f.finalize(first, {"a.test"})) == "403 orderNotReady");
    CHECK(careless.count() == 1);
    f.ca.core.hang_orders(true);
    const auto second = f.ready_order({"b.test"});
    f.finalize(second, {"b.test"});
    f.finalize(second, {"b.test"});
    REQUIRE(careless.count() == 2);
    CHECK(careless.latest().back() == "2026-06-01T00:00:00Z finalize for b.test, order 2, which is processing");
}
