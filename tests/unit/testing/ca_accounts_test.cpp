#include "by_hand.hpp"
#include "catch.hpp"

using namespace evercert;
using namespace test;
using boost::json::object;

TEST_CASE("a new account gets a URL, the same key finds it again") {
    ca_by_hand ca;
    client_by_hand client{ca};
    const auto made =
        client.post("/new-account", {{"termsOfServiceAgreed", true}, {"contact", {"mailto:ops@example.com"}}});
    CHECK(gist(made) == "201");
    CHECK(made.fields.get("Location") == base_url + "/account/1");
    CHECK(status_of(made) == "valid");
    CHECK(object_of(made).at("contact").at(0) == "mailto:ops@example.com");

    const auto found = client.post("/new-account", {{"onlyReturnExisting", true}});
    CHECK(gist(found) == "200");
    CHECK(found.fields.get("Location") == base_url + "/account/1");
}

TEST_CASE("onlyReturnExisting makes no account") {
    ca_by_hand ca;
    client_by_hand client{ca};
    CHECK(
        gist(client.post("/new-account", {{"onlyReturnExisting", true}, {"termsOfServiceAgreed", true}})) ==
        "400 accountDoesNotExist");
}

TEST_CASE("the terms must be agreed to, and are linked") {
    ca_by_hand ca;
    client_by_hand client{ca};
    const auto answer = client.post("/new-account", object{});
    CHECK(gist(answer) == "400 malformed");
    CHECK(answer.fields.all("Link").at(0) == "<https://ca.test/terms>;rel=\"terms-of-service\"");
    CHECK(gist(client.post("/new-account", {{"termsOfServiceAgreed", "yes"}})) == "400 malformed");

    ca_by_hand lenient{{.terms_required = false, .terms_url = {}}};
    client_by_hand anybody{lenient};
    CHECK(gist(anybody.post("/new-account", object{})) == "201");
}

TEST_CASE("contacts are e-mail addresses") {
    ca_by_hand ca;
    client_by_hand client{ca};
    const auto with = [&](boost::json::value contact) {
        return gist(client.post("/new-account", {{"termsOfServiceAgreed", true}, {"contact", std::move(contact)}}));
    };
    CHECK(with({"tel:+1234"}) == "400 unsupportedContact");
    CHECK(with({"mailto:"}) == "400 invalidContact");
    CHECK(with({"mailto:nobody"}) == "400 invalidContact");
    CHECK(with({"mailto:a@b.test,c@d.test"}) == "400 invalidContact");
    CHECK(with({"mailto:a@b.test?subject=x"}) == "400 invalidContact");
    CHECK(with("mailto:a@b.test") == "400 malformed");
    CHECK(with({1}) == "400 malformed");
    CHECK(with(boost::json::array(11, "mailto:a@b.test")) == "400 invalidContact");
    CHECK(with({"mailto:a@b.test"}) == "201");
}

TEST_CASE("an account is read and changed by its owner alone") {
    ca_by_hand ca;
    client_by_hand client{ca};
    client.register_account();
    client_by_hand other{ca};
    other.register_account();

    CHECK(gist(client.post("/account/1")) == "200");
    CHECK(gist(other.post("/account/1")) == "403 unauthorized");
    CHECK(gist(other.post("/account/1/orders")) == "403 unauthorized");
    const auto changed = client.post("/account/1", {{"contact", {"mailto:new@example.com"}}});
    CHECK(object_of(changed).at("contact").at(0) == "mailto:new@example.com");
    CHECK(gist(client.post("/account/1", {{"status", "revoked"}})) == "400 malformed");
    CHECK(object_of(client.post("/account/1")).at("contact").at(0) == "mailto:new@example.com");
}

TEST_CASE("a deactivated account can do nothing, and its key gets no other") {
    ca_by_hand ca;
    client_by_hand client{ca};
    client.register_account();
    const auto order = object_of(client.post("/new-order", order_of({"a.test"})));
    CHECK(status_of(client.post("/account/1", {{"status", "deactivated"}})) == "deactivated");
    CHECK(gist(client.post("/account/1")) == "401 unauthorized");
    CHECK(gist(client.post("/new-order", order_of({"a.test"}))) == "401 unauthorized");
    CHECK(gist(client.post(path_of(order.at("authorizations").at(0)))) == "401 unauthorized");
    client_by_hand again{ca, client.key};
    CHECK(gist(again.post("/new-account", {{"termsOfServiceAgreed", true}})) == "401 unauthorized");
}

TEST_CASE("orders are listed, but not those that are invalid") {
    ca_by_hand ca;
    client_by_hand client{ca};
    client.register_account();
    client.post("/new-order", order_of({"a.test"}));
    client.post("/new-order", order_of({"b.test"}));
    client.post("/authorization/1", {{"status", "deactivated"}});
    const auto listed = object_of(client.post("/account/1/orders")).at("orders").as_array();
    REQUIRE(listed.size() == 1);
    CHECK(text_of(listed[0]) == base_url + "/order/2");
}

namespace {

/// The payload of a key rollover: section 7.3.5.
std::string rollover(
    const client_by_hand& client, const private_key& to, const private_key& from, object header = {},
    const std::string& account = {}) {
    if (!header.contains("url"))
        header["url"] = base_url + "/key-change";
    header["jwk"] = to_jwk(to);
    const object change{{"account", account.empty() ? client.kid : account}, {"oldKey", to_jwk(from)}};
    return sign_jws(to, header, boost::json::serialize(change));
}

}  // namespace

TEST_CASE("after a key rollover the new key is the account's and the old one nobody's") {
    ca_by_hand ca;
    client_by_hand client{ca};
    client.register_account();
    const auto next = private_key::generate();
    CHECK(gist(client.post("/key-change", rollover(client, next, client.key))) == "200");
    CHECK(gist(client.post("/account/1")) == "400 malformed");
    client.key = next;
    CHECK(gist(client.post("/account/1")) == "200");
}

TEST_CASE("a key rollover that breaks a rule changes nothing") {
    ca_by_hand ca;
    client_by_hand client{ca};
    client.register_account();
    client_by_hand other{ca};
    other.register_account();
    const auto next = private_key::generate();
    const auto attempt = [&](const std::string& payload) {
        return gist(client.post("/key-change", std::string_view{payload}));
    };
    CHECK(attempt(rollover(client, next, next)) == "400 malformed");
    CHECK(attempt(rollover(client, next, client.key, {{"url", base_url + "/x"}})) == "400 malformed");
    CHECK(attempt(rollover(client, next, client.key, {{"nonce", ca.nonce()}})) == "400 malformed");
    CHECK(attempt(rollover(client, next, client.key, {}, other.kid)) == "400 malformed");
    const auto taken = client.post("/key-change", std::string_view{rollover(client, other.key, client.key)});
    CHECK(gist(taken) == "409 malformed");
    CHECK(taken.fields.get("Location") == base_url + "/account/2");
    CHECK(gist(client.post("/account/1")) == "200");
}
