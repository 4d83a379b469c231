#include <evercert/certificate.hpp>

#include "catch.hpp"
#include "orders_fixture.hpp"
#include "testing/refusal.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;
using boost::json::object;

namespace {

struct fixture : orders_fixture {
    using orders_fixture::orders_fixture;

    /// The id of a new certificate for these names.
    std::string obtain(std::initializer_list<std::string_view> names) {
        const auto order = ready_order(names);
        REQUIRE(status_of(finalize(order, {names.begin(), names.end()})) == "valid");
        return issued().renewal_id;
    }
    const evercert::testing::certificate_record& issued() { return ca.core.certificates().back(); }
    response ask(const std::string& id) { return ca.handle({"GET", "/renewal-info/" + id}); }
    object window(const std::string& id) { return object_of(ask(id)).at("suggestedWindow").as_object(); }
    response replace(const std::string& id, std::initializer_list<std::string_view> names) {
        auto payload = order_of(names);
        payload["replaces"] = id;
        return client.post("/new-order", payload);
    }
};

}  // namespace

TEST_CASE("renewal information is in the directory and needs no signature") {
    fixture f;
    CHECK(object_of(f.ca.handle({"GET", "/directory"})).at("renewalInfo").as_string() == base_url + "/renewal-info");
    const auto id = f.obtain({"a.test"});
    CHECK(id == acme::certificate_id(certificate{f.issued().chain_pem, f.key}));
    const auto answer = f.ask(id);
    CHECK(gist(answer) == "200");
    CHECK(answer.fields.get("Retry-After") == "21600");
    // 60 days of 90, and 0.9 days before and after.
    CHECK(f.window(id) == object{{"start", "2026-07-30T02:24:00Z"}, {"end", "2026-07-31T21:36:00Z"}});
    CHECK(!object_of(answer).contains("explanationURL"));
    CHECK(f.ca.core.count(evercert::testing::resource::renewal_info) == 2);
}

TEST_CASE("renewal information of nothing is refused, and so is another method") {
    fixture f;
    const auto id = f.obtain({"a.test"});
    for (const auto* other : {"", "a", "a.b", "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"})
        CHECK(gist(f.ask(other)) == "404 malformed");
    CHECK(gist(f.ca.handle({"GET", "/renewal-info"})) == "404 malformed");
    const auto posted = f.client.post("/renewal-info/" + id);
    CHECK(gist(posted) == "405 malformed");
    CHECK(posted.fields.get("Allow") == "GET");
}

TEST_CASE("the window of one certificate or of all is moved") {
    fixture f;
    const auto one = f.obtain({"a.test"});
    const auto other = f.obtain({"b.test"});
    f.ca.core.renewal_window(f.issued().serial, {start + 1h, start + 2h, "https://ca.test/why"});
    CHECK(f.window(other).at("start") == "2026-06-01T01:00:00Z");
    CHECK(object_of(f.ask(other)).at("explanationURL") == "https://ca.test/why");
    CHECK(f.window(one).at("start") == "2026-07-30T02:24:00Z");

    f.ca.core.renewal_windows({start - 2h, start - 1h});
    for (const auto& id : {one, other})
        CHECK(f.window(id).at("end") == "2026-05-31T23:00:00Z");
    CHECK_FALSE(object_of(f.ask(other)).contains("explanationURL"));
    const auto later = f.obtain({"c.test"});
    CHECK(f.window(later).at("start") == "2026-07-30T02:24:00Z");
    CHECK_THROWS_AS(f.ca.core.renewal_window("00", {start, start}), error);
}

TEST_CASE("the window of a certificate that was revoked is over") {
    fixture f;
    const auto id = f.obtain({"a.test"});
    REQUIRE(gist(f.client.post("/revoke-cert", {{"certificate", base64url_encode(f.issued().der)}})) == "200");
    CHECK(f.window(id).at("end") == "2026-06-01T00:00:00Z");
}

TEST_CASE("a failure on demand is an answer to renewal information, too") {
    fixture f;
    const auto id = f.obtain({"a.test"});
    f.ca.core.faults().fail_next(
        evercert::testing::resource::renewal_info,
        {evercert::testing::acme_problem(503, "serverInternal", "later"), "60"});
    const auto refused = f.ask(id);
    CHECK(gist(refused) == "503 serverInternal");
    CHECK(refused.fields.get("Retry-After") == "60");
    CHECK(gist(f.ask(id)) == "200");
}

TEST_CASE("an order replaces a certificate once, as long as it is not invalid") {
    fixture f;
    const auto id = f.obtain({"a.test", "b.test"});
    const auto placed = f.replace(id, {"a.test", "c.test"});
    REQUIRE(gist(placed) == "201");
    CHECK(object_of(placed).at("replaces").as_string() == id);
    const std::string url{placed.fields.get("Location")};
    CHECK(f.read(boost::json::value(url)).at("replaces").as_string() == id);
    CHECK(gist(f.replace(id, {"a.test"})) == "409 alreadyReplaced");
    // Without it nothing is in the way.
    CHECK(gist(f.client.post("/new-order", order_of({"a.test"}))) == "201");

    f.ca.advance(evercert::testing::ca_book::pending_for);
    REQUIRE(f.status(boost::json::value(url)) == "invalid");
    CHECK(gist(f.replace(id, {"a.test"})) == "201");
}

TEST_CASE("a replaces that was refused is noted when it comes again, unless an order without it came in between") {
    fixture f;
    const auto& careless = f.ca.core.careless();
    const auto one = f.obtain({"a.test"}), other = f.obtain({"b.test"});
    f.replace(one, {"a.test"});
    f.replace(other, {"b.test"});
    CHECK(gist(f.replace(one, {"a.test"})) == "409 alreadyReplaced");
    CHECK(gist(f.replace(other, {"b.test"})) == "409 alreadyReplaced");
    CHECK(careless.count() == 0);
    // Refused too, but the client did what it should.
    f.ca.core.faults().fail_next(
        evercert::testing::resource::new_order, {evercert::testing::acme_problem(503, "serverInternal", "later"), ""});
    CHECK(gist(f.client.post("/new-order", order_of({"a.test"}))) == "503 serverInternal");
    f.ca.core.faults().lose_every(1, evercert::testing::resource::new_order);
    CHECK(f.replace(one, {"a.test"}).status == 0);
    f.ca.core.recover();
    CHECK(gist(f.replace(one, {"a.test"})) == "409 alreadyReplaced");
    CHECK(careless.count() == 0);
    CHECK(gist(f.replace(one, {"a.test"})) == "409 alreadyReplaced");
    CHECK(gist(f.replace(other, {"b.test"})) == "409 alreadyReplaced");
    CHECK(careless.count() == 2);
}

TEST_CASE("an order replaces what its account has, and shares a name with") {
    fixture f;
    const auto id = f.obtain({"a.test"});
    CHECK(gist(f.replace("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", {"a.test"})) == "400 malformed");
    CHECK(gist(f.replace("", {"a.test"})) == "400 malformed");
    CHECK(gist(f.replace(id, {"b.test"})) == "400 malformed");
    auto payload = order_of({"a.test"});
    payload["replaces"] = 1;
    CHECK(gist(f.client.post("/new-order", payload)) == "400 malformed");

    client_by_hand stranger{f.ca};
    stranger.register_account();
    payload["replaces"] = id;
    CHECK(gist(stranger.post("/new-order", payload)) == "400 malformed");
    CHECK(gist(f.replace(id, {"a.test"})) == "201");
}

TEST_CASE("a CA without renewal information has none of it") {
    fixture f{{.renewal_info = false}};
    CHECK(!object_of(f.ca.handle({"GET", "/directory"})).contains("renewalInfo"));
    const auto id = f.obtain({"a.test"});
    CHECK(gist(f.ask(id)) == "404 malformed");
    CHECK(gist(f.replace(id, {"a.test"})) == "400 malformed");
}
