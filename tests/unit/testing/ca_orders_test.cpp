#include <evercert/certificate.hpp>

#include "catch.hpp"
#include "crypto/verify.hpp"
#include "orders_fixture.hpp"
#include "testing/refusal.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;
using boost::json::object;
using fixture = orders_fixture;

TEST_CASE("an order becomes a certificate that verifies") {
    fixture f;
    auto order = f.new_order({"a.test", "b.test"});
    CHECK(order.at("status") == "pending");
    CHECK(order.at("expires") == "2026-06-08T00:00:00Z");
    CHECK(f.read(order.at("authorizations").at(0)).at("identifier").at("value") == "a.test");
    f.answer_challenges(order);
    CHECK(f.status(order.at("authorizations").at(1)) == "pending");
    CHECK(f.ca.validate() == 2);
    CHECK(f.status(order.at("authorizations").at(1)) == "valid");
    CHECK(f.status(order.at("url")) == "ready");

    const auto done = f.finalize(order, {"b.test", "a.test"});
    REQUIRE(status_of(done) == "valid");
    CHECK(done.fields.get("Location") == text_of(order.at("url")));
    const auto chain = f.client.post(path_of(object_of(done).at("certificate")));
    CHECK(chain.fields.get("Content-Type") == "application/pem-certificate-chain");
    const certificate cert{chain.body, f.key};
    CHECK(cert.not_before() == start);
    CHECK(cert.not_after() == start + 90 * 24h);
    verify_servable(cert, {"a.test", "b.test"}, start);
    verify_chain(cert, f.ca.core.roots_pem(), start);
    CHECK(f.ca.core.certificates().back().serial == cert.serial());
}

TEST_CASE("a validation is told what must be answered") {
    fixture f;
    const auto order = f.new_order({"a.test"});
    const auto challenge = f.read(order.at("authorizations").at(0)).at("challenges").at(0).as_object();
    CHECK(challenge.at("type") == "http-01");
    const auto answer = f.client.post(path_of(challenge.at("url")), object{});
    CHECK(status_of(answer) == "processing");
    CHECK(answer.fields.all("Link").at(0) == "<" + base_url + "/authorization/1>;rel=\"up\"");
    const auto asked = f.ca.core.take_validations();
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].identifier == identifier{"a.test"});
    CHECK(asked[0].key_authorization == text_of(challenge.at("token")) + "." + jwk_thumbprint(f.client.key));

    f.client.post(path_of(challenge.at("url")), object{});
    CHECK(f.ca.core.take_validations().empty());
}

TEST_CASE("asking for a challenge does not answer it") {
    fixture f;
    f.new_order({"a.test"});
    CHECK(status_of(f.client.post("/challenge/1")) == "pending");
    CHECK(f.ca.core.take_validations().empty());
}

TEST_CASE("a failed validation makes the authorization and the order invalid, and says why") {
    fixture f;
    const auto order = f.new_order({"a.test", "b.test"});
    f.answer_challenges(order);
    f.ca.validate(testing::acme_problem(403, "connection", "nobody there"));
    const auto authorization = f.read(order.at("authorizations").at(0));
    CHECK(authorization.at("status") == "invalid");
    CHECK(authorization.at("challenges").at(0).at("error").at("detail") == "nobody there");
    CHECK_FALSE(authorization.at("challenges").at(1).as_object().contains("error"));
    const auto read = f.read(order.at("url"));
    CHECK(read.at("status") == "invalid");
    CHECK(read.at("error").at("type") == "urn:ietf:params:acme:error:unauthorized");
    CHECK(gist(f.finalize(order, {"a.test", "b.test"})) == "403 orderNotReady");
    CHECK(status_of(f.client.post("/challenge/2", object{})) == "pending");
    CHECK(f.ca.core.take_validations().empty());
}

TEST_CASE("validation and issuance take as long as they are told to") {
    fixture f{{.validation_delay = 2s, .issuance_delay = 3s, .retry_after = "1"}};
    const auto order = f.new_order({"a.test"});
    f.answer_challenges(order);
    f.ca.validate();
    f.ca.advance(1999ms);
    const auto pending = f.client.post(path_of(order.at("authorizations").at(0)));
    CHECK(status_of(pending) == "pending");
    CHECK(pending.fields.get("Retry-After") == "1");
    f.ca.advance(1ms);
    const auto valid = f.client.post(path_of(order.at("authorizations").at(0)));
    CHECK(status_of(valid) == "valid");
    CHECK_FALSE(valid.fields.has("Retry-After"));

    const auto processing = f.finalize(order, {"a.test"});
    CHECK(status_of(processing) == "processing");
    CHECK(processing.fields.get("Retry-After") == "1");
    CHECK_FALSE(object_of(processing).contains("certificate"));
    CHECK(gist(f.finalize(order, {"a.test"})) == "403 orderNotReady");
    f.ca.advance(2999ms);
    CHECK(f.status(order.at("url")) == "processing");
    f.ca.advance(1ms);
    CHECK(f.status(order.at("url")) == "valid");
    CHECK(f.ca.core.certificates().size() == 1);
}

TEST_CASE("identifiers that cannot be certified are refused") {
    fixture f{{.refused = {"bad.test", "worse.test"}}};
    const auto order = [&](boost::json::value identifiers) {
        return gist(f.client.post("/new-order", {{"identifiers", std::move(identifiers)}}));
    };
    const auto of = [&](std::string_view type, std::string_view value) {
        return order(boost::json::array{object{{"type", type}, {"value", value}}});
    };
    CHECK(of("dns", "a.test") == "201");
    CHECK(of("dns", "A.Test") == "201");
    CHECK(of("ip", "192.0.2.1") == "201");
    CHECK(of("ip", "2001:db8::1") == "201");
    CHECK(of("dns", "192.0.2.1") == "400 rejectedIdentifier");
    CHECK(of("ip", "a.test") == "400 rejectedIdentifier");
    CHECK(of("ip", "2001:DB8:0::1") == "400 malformed");
    CHECK(of("dns", "localhost") == "400 rejectedIdentifier");
    CHECK(of("dns", "") == "400 rejectedIdentifier");
    CHECK(of("dns", "a..test") == "400 rejectedIdentifier");
    CHECK(of("dns", "a.test.") == "400 malformed");
    CHECK(
        of("dns",
           "b\xc3\xbc"
           "cher.test") == "400 malformed");
    CHECK(of("dns", "bad.test") == "403 rejectedIdentifier");
    CHECK(of("dns", "*.a.test") == "403 rejectedIdentifier");
    CHECK(of("permanent", "a.test") == "400 unsupportedIdentifier");
    CHECK(order(boost::json::array{}) == "400 malformed");
    CHECK(order("a.test") == "400 malformed");
    CHECK(order(boost::json::array{"a.test"}) == "400 malformed");
    CHECK(order(boost::json::array{object{{"type", "dns"}}}) == "400 malformed");
    CHECK(order(boost::json::array{object{{"type", 1}, {"value", "a.test"}}}) == "400 malformed");
    CHECK(order(boost::json::array(101, object{{"type", "dns"}, {"value", "a.test"}})) == "400 malformed");
    CHECK(gist(f.client.post("/new-order")) == "400 malformed");
    auto dated = order_of({"a.test"});
    dated["notAfter"] = "2027-01-01T00:00:00Z";
    CHECK(gist(f.client.post("/new-order", dated)) == "400 malformed");
}

TEST_CASE("each refused name of an order has its subproblem") {
    fixture f{{.refused = {"bad.test", "worse.test"}}};
    const auto answer = f.client.post("/new-order", order_of({"a.test", "worse.test", "bad.test"}));
    const auto subproblems = object_of(answer).at("subproblems").as_array();
    REQUIRE(subproblems.size() == 2);
    CHECK(subproblems[0].at("identifier") == boost::json::value{{"type", "dns"}, {"value", "worse.test"}});
    CHECK(subproblems[0].at("type") == "urn:ietf:params:acme:error:rejectedIdentifier");
}

TEST_CASE("wildcards are offered what proves them, addresses what can") {
    fixture f{{.challenges = {"http-01", "dns-01"}}};
    const auto wildcard = f.read(f.new_order({"*.a.test"}).at("authorizations").at(0));
    CHECK(wildcard.at("wildcard") == true);
    CHECK(wildcard.at("identifier").at("value") == "a.test");
    REQUIRE(wildcard.at("challenges").as_array().size() == 1);
    CHECK(wildcard.at("challenges").at(0).at("type") == "dns-01");
    f.client.post("/new-order", {{"identifiers", {{{"type", "ip"}, {"value", "192.0.2.1"}}}}});
    const auto address = object_of(f.client.post("/authorization/2"));
    REQUIRE(address.at("challenges").as_array().size() == 1);
    CHECK(address.at("challenges").at(0).at("type") == "http-01");
}

TEST_CASE("a name that is asked for twice is authorized once") {
    fixture f;
    const auto order = f.new_order({"a.test", "A.test"});
    CHECK(order.at("identifiers").as_array().size() == 1);
    CHECK(order.at("authorizations").as_array().size() == 1);
}

TEST_CASE("finalize wants a ready order and a CSR for its names by another key") {
    fixture f;
    const auto pending = f.new_order({"a.test"});
    CHECK(gist(f.finalize(pending, {"a.test"})) == "403 orderNotReady");

    const auto order = f.ready_order({"a.test", "b.test"});
    const auto finalize = path_of(order.at("finalize"));
    CHECK(gist(f.finalize(order, {"a.test"})) == "400 badCSR");
    CHECK(gist(f.finalize(order, {"a.test", "b.test", "c.test"})) == "400 badCSR");
    CHECK(gist(f.finalize(order, {"a.test", "c.test"})) == "400 badCSR");
    CHECK(gist(f.client.post(finalize, finalize_with(f.client.key, {"a.test", "b.test"}))) == "400 badCSR");
    CHECK(gist(f.client.post(finalize, {{"csr", "AAAA"}})) == "400 badCSR");
    CHECK(gist(f.client.post(finalize, {{"csr", "===="}})) == "400 malformed");
    CHECK(gist(f.client.post(finalize, object{})) == "400 malformed");
    CHECK(gist(f.client.post(finalize)) == "400 malformed");
    auto csr = make_csr(f.key, {"a.test", "b.test"});
    csr.back() ^= 1;
    CHECK(gist(f.client.post(finalize, {{"csr", base64url_encode(csr)}})) == "400 badCSR");
    CHECK(f.ca.core.certificates().empty());

    CHECK(status_of(f.finalize(order, {"a.test", "b.test"})) == "valid");
    CHECK(gist(f.finalize(order, {"a.test", "b.test"})) == "403 orderNotReady");
    CHECK(f.ca.core.certificates().size() == 1);
}

TEST_CASE("what belongs to one account is closed to another") {
    fixture f;
    const auto order = f.ready_order({"a.test"});
    const auto done = object_of(f.finalize(order, {"a.test"}));
    client_by_hand other{f.ca};
    other.register_account();
    for (const auto& url :
         {order.at("url"), order.at("finalize"), order.at("authorizations").at(0), done.at("certificate")}) {
        CAPTURE(path_of(url));
        CHECK(gist(other.post(path_of(url))) == "403 unauthorized");
        CHECK(gist(other.post(path_of(url), object{})) == "403 unauthorized");
    }
    CHECK(gist(other.post("/challenge/1", object{})) == "403 unauthorized");
}

TEST_CASE("what is not there is not found") {
    fixture f;
    for (const auto* path : {"/order/9", "/order/9/finalize", "/authorization/9", "/challenge/9", "/certificate/9"}) {
        CAPTURE(path);
        CHECK(gist(f.client.post(path)) == "404 malformed");
    }
}

TEST_CASE("what is only read takes no payload") {
    fixture f;
    const auto order = f.ready_order({"a.test"});
    f.finalize(order, {"a.test"});
    for (const auto* path : {"/order/1", "/certificate/1", "/account/1/orders"}) {
        CAPTURE(path);
        CHECK(gist(f.client.post(path, object{})) == "400 malformed");
    }
}

TEST_CASE("a deactivated authorization ends the orders that need it") {
    fixture f;
    const auto order = f.ready_order({"a.test"});
    const auto authorization = path_of(order.at("authorizations").at(0));
    CHECK(gist(f.client.post(authorization, {{"status", "valid"}})) == "400 malformed");
    CHECK(status_of(f.client.post(authorization, {{"status", "deactivated"}})) == "deactivated");
    CHECK(gist(f.client.post(authorization, {{"status", "deactivated"}})) == "400 malformed");
    CHECK(f.status(order.at("url")) == "invalid");
}

TEST_CASE("orders and authorizations expire") {
    fixture f;
    const auto pending = f.new_order({"a.test"});
    const auto ready = f.ready_order({"b.test"});
    f.ca.advance(7 * 24h - 1s);
    CHECK(f.status(pending.at("url")) == "pending");
    f.ca.advance(1s);
    CHECK(f.status(pending.at("url")) == "invalid");
    CHECK(f.status(pending.at("authorizations").at(0)) == "invalid");
    CHECK(f.status(ready.at("url")) == "invalid");
    CHECK(f.status(ready.at("authorizations").at(0)) == "valid");
    f.ca.advance(23 * 24h);
    CHECK(f.status(ready.at("authorizations").at(0)) == "expired");
}

TEST_CASE("a valid authorization is used again if that is wanted, until it expires") {
    fixture f{{.reuse_authorizations = true}};
    const auto first = f.ready_order({"a.test"});
    const auto second = f.new_order({"a.test"});
    CHECK(second.at("status") == "ready");
    CHECK(second.at("authorizations") == first.at("authorizations"));
    CHECK(f.new_order({"b.test", "a.test"}).at("status") == "pending");

    client_by_hand other{f.ca};
    other.register_account();
    CHECK(status_of(other.post("/new-order", order_of({"a.test"}))) == "pending");

    f.ca.advance(30 * 24h);
    CHECK(f.new_order({"a.test"}).at("status") == "pending");
}

TEST_CASE("without reuse every order is validated anew") {
    fixture f;
    f.ready_order({"a.test"});
    CHECK(f.new_order({"a.test"}).at("status") == "pending");
}

TEST_CASE("a certificate has a second chain, to another root, if that is wanted") {
    fixture f{{.alternate_chain = true}};
    const auto done = object_of(f.finalize(f.ready_order({"a.test"}), {"a.test"}));
    const auto first = f.client.post(path_of(done.at("certificate")));
    const auto link = "<" + base_url + "/certificate/1/alternate>;rel=\"alternate\"";
    CHECK(first.fields.all("Link").at(0) == link);
    const auto second = f.client.post("/certificate/1/alternate");
    CHECK(second.body != first.body);
    const certificate one{first.body, f.key};
    const certificate other{second.body, f.key};
    CHECK(one.serial() == other.serial());
    verify_chain(one, f.ca.core.roots_pem(), start);
    verify_chain(other, f.ca.core.roots_pem(), start);
}

TEST_CASE("a certificate has one chain if nothing else is wanted") {
    fixture f;
    f.finalize(f.ready_order({"a.test"}), {"a.test"});
    CHECK(f.client.post("/certificate/1").fields.all("Link").size() == 1);
    CHECK(gist(f.client.post("/certificate/1/alternate")) == "404 malformed");
}

TEST_CASE("certificates live as long as they are told to") {
    fixture f{{.lifetime = 160h}};
    const auto order = f.ready_order({"a.test"});
    const auto done = object_of(f.finalize(order, {"a.test"}));
    const certificate cert{f.client.post(path_of(done.at("certificate"))).body, f.key};
    CHECK(cert.not_after() - cert.not_before() == 160h);
}

TEST_CASE("a certificate is revoked by its account, its key, or whoever holds its names") {
    fixture f{{.reuse_authorizations = true}};
    const auto issue = [&] {
        f.finalize(f.ready_order({"a.test"}), {"a.test"});
        return object{{"certificate", base64url_encode(f.ca.core.certificates().back().der)}};
    };
    const auto by_key = [&](const private_key& key, const object& payload) {
        client_by_hand holder{f.ca, key};
        return gist(holder.post("/revoke-cert", payload));
    };

    auto certificate = issue();
    certificate["reason"] = 2;
    CHECK(gist(f.client.post("/revoke-cert", certificate)) == "400 badRevocationReason");
    certificate["reason"] = "1";
    CHECK(gist(f.client.post("/revoke-cert", certificate)) == "400 badRevocationReason");
    certificate["reason"] = 4;
    CHECK(gist(f.client.post("/revoke-cert", certificate)) == "200");
    CHECK(f.ca.core.certificates().back().revoked);
    CHECK(gist(f.client.post("/revoke-cert", certificate)) == "400 alreadyRevoked");

    certificate = issue();
    CHECK(by_key(private_key::generate(), certificate) == "403 unauthorized");
    CHECK(by_key(f.client.key, certificate) == "403 unauthorized");
    CHECK(by_key(f.key, certificate) == "200");
    CHECK(by_key(f.key, certificate) == "400 alreadyRevoked");

    certificate = issue();
    client_by_hand other{f.ca};
    other.register_account();
    CHECK(gist(other.post("/revoke-cert", certificate)) == "403 unauthorized");
    const auto order = object_of(other.post("/new-order", order_of({"a.test"})));
    const auto authorization = object_of(other.post(path_of(order.at("authorizations").at(0))));
    other.post(path_of(authorization.at("challenges").at(0).at("url")), object{});
    f.ca.validate();
    CHECK(gist(other.post("/revoke-cert", certificate)) == "200");

    CHECK(gist(f.client.post("/revoke-cert", object{})) == "400 malformed");
    CHECK(gist(f.client.post("/revoke-cert", {{"certificate", "AAAA"}})) == "404 malformed");
}
