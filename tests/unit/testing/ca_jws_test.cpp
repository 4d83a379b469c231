#include <functional>

#include "by_hand.hpp"
#include "catch.hpp"
#include "testing/refusal.hpp"

using namespace evercert;
using namespace test;
using boost::json::object;

TEST_CASE("the directory lists the resources and the terms") {
    ca_by_hand ca;
    const auto answer = ca.handle({"GET", "/directory"});
    const auto directory = object_of(answer);
    CHECK(answer.status == 200);
    CHECK(answer.fields.get("Content-Type") == "application/json");
    CHECK_FALSE(answer.fields.has("Link"));
    CHECK(text_of(directory.at("newOrder")) == base_url + "/new-order");
    CHECK(directory.at("meta").at("termsOfService") == "https://ca.test/terms");
}

TEST_CASE("HEAD and GET newNonce give a nonce that nobody may keep") {
    ca_by_hand ca;
    const auto head = ca.handle({"HEAD", "/new-nonce"});
    const auto get = ca.handle({"GET", "/new-nonce"});
    CHECK(head.status == 200);
    CHECK(get.status == 204);
    CHECK(head.fields.get("Cache-Control") == "no-store");
    CHECK(head.fields.get("Link") == "<" + base_url + "/directory>;rel=\"index\"");
    CHECK(head.fields.get("Replay-Nonce") != get.fields.get("Replay-Nonce"));
}

TEST_CASE("the directory may be asked by POST-as-GET") {
    ca_by_hand ca;
    client_by_hand client{ca};
    client.register_account();
    CHECK(object_of(client.post("/directory")).contains("newOrder"));
    CHECK(gist(client.post("/directory", object{})) == "400 malformed");
    CHECK(gist(client.post("/new-nonce")) == "200");
}

TEST_CASE("what is asked by the wrong method is told the right one") {
    ca_by_hand ca;
    const auto answer = ca.handle({"GET", "/new-order"});
    CHECK(gist(answer) == "405 malformed");
    CHECK(answer.fields.get("Allow") == "POST");
    CHECK(gist(ca.handle({"DELETE", "/directory"})) == "405 malformed");
    CHECK(gist(ca.handle({"PUT", "/new-account"})) == "405 malformed");
}

TEST_CASE("a path has one spelling") {
    ca_by_hand ca;
    for (const auto* path :
         {"/", "/directory/", "/directory?a=b", "/order/01", "/order/", "/order/-1", "/order/1x",
          "/order/99999999999999999999999", "/account/1/orders/", "//directory"}) {
        CAPTURE(path);
        CHECK(gist(ca.handle({"GET", path})) == "404 malformed");
    }
}

TEST_CASE("a nonce is good once") {
    ca_by_hand ca;
    client_by_hand client{ca};
    const auto header = client.header("/new-account");
    const object agree{{"termsOfServiceAgreed", true}};
    const auto payload = boost::json::serialize(agree);
    CHECK(gist(client.send("/new-account", header, payload)) == "201");
    const auto again = client.send("/new-account", header, payload);
    CHECK(gist(again) == "400 badNonce");
    CHECK_FALSE(again.fields.get("Replay-Nonce").empty());
}

TEST_CASE("the nonce of any answer is good, an invented one is not") {
    ca_by_hand ca;
    client_by_hand client{ca};
    auto header = client.header("/new-account");
    header["nonce"] = "AAAAAAAAAAAAAAAAAAAAAA";
    const auto refused = client.send("/new-account", header, R"({"termsOfServiceAgreed":true})");
    CHECK(gist(refused) == "400 badNonce");
    header["nonce"] = std::string{refused.fields.get("Replay-Nonce")};
    CHECK(gist(client.send("/new-account", header, R"({"termsOfServiceAgreed":true})")) == "201");
}

TEST_CASE("every nth POST is told that its nonce is bad") {
    ca_by_hand ca{{.bad_nonce_every = 3}};
    client_by_hand client{ca};
    std::string seen;
    for (int i = 0; i < 6; ++i)
        seen += gist(client.post("/new-account", {{"termsOfServiceAgreed", true}})) + ",";
    CHECK(seen == "201,200,400 badNonce,200,200,400 badNonce,");
}

TEST_CASE("every kind of key signs") {
    ca_by_hand ca;
    for (const auto type : {key_type::ec_p256, key_type::ec_p384, key_type::rsa_2048, key_type::ed25519}) {
        client_by_hand client{ca, private_key::generate(type)};
        CHECK(gist(client.post("/new-account", {{"termsOfServiceAgreed", true}})) == "201");
    }
}

TEST_CASE("a JWS that breaks a rule is refused") {
    ca_by_hand ca;
    client_by_hand client{ca};
    client.register_account();
    client_by_hand other{ca};
    other.register_account();

    struct wrong {
        const char* what;
        std::function<void(object&)> change;
        const char* answer;
    };
    const wrong table[] = {
        {"right", [](object&) {}, "200"},
        {"no nonce", [](object& h) { h.erase("nonce"); }, "400 malformed"},
        {"nonce with padding", [](object& h) { h["nonce"] = "AAAA="; }, "400 malformed"},
        {"nonce that is a number", [](object& h) { h["nonce"] = 1; }, "400 malformed"},
        {"no url", [](object& h) { h.erase("url"); }, "400 malformed"},
        {"another url", [](object& h) { h["url"] = base_url + "/new-order"; }, "401 unauthorized"},
        {"another host", [](object& h) { h["url"] = "https://localhost:14000/account/1"; }, "401 unauthorized"},
        {"both jwk and kid", [&](object& h) { h["jwk"] = to_jwk(client.key); }, "400 malformed"},
        {"neither jwk nor kid", [](object& h) { h.erase("kid"); }, "400 malformed"},
        {"jwk where kid belongs",
         [&](object& h) {
             h.erase("kid");
             h["jwk"] = to_jwk(client.key);
         },
         "400 malformed"},
        {"kid of nobody", [](object& h) { h["kid"] = base_url + "/account/77"; }, "400 accountDoesNotExist"},
        {"kid that is no account", [](object& h) { h["kid"] = base_url + "/order/1"; }, "400 accountDoesNotExist"},
        {"kid elsewhere", [](object& h) { h["kid"] = "https://evil.test/account/1"; }, "400 accountDoesNotExist"},
        {"kid of somebody else", [&](object& h) { h["kid"] = other.kid; }, "400 malformed"},
        {"empty kid", [](object& h) { h["kid"] = ""; }, "400 accountDoesNotExist"},
        {"crit", [](object& h) { h["crit"] = boost::json::array{"exp"}; }, "400 malformed"},
        {"b64", [](object& h) { h["b64"] = false; }, "400 malformed"},
    };
    for (const auto& each : table) {
        CAPTURE(each.what);
        auto header = client.header("/account/1");
        each.change(header);
        const auto answer = client.send("/account/1", header, "");
        CHECK(gist(answer) == each.answer);
        CHECK_FALSE(answer.fields.get("Replay-Nonce").empty());
    }
}

namespace {

/// A JWS whose header is exactly this, signed or not.
std::string jws_of(std::string_view header, std::string_view payload, std::string_view signature) {
    const object flattened{
        {"protected", base64url_encode(as_bytes(header))},
        {"payload", base64url_encode(as_bytes(payload))},
        {"signature", signature}};
    return boost::json::serialize(flattened);
}

}  // namespace

TEST_CASE("a body that is no JWS is refused") {
    ca_by_hand ca;
    client_by_hand client{ca};
    client.register_account();
    const auto deep = std::string(5000, '[') + std::string(5000, ']');
    for (const std::string& body :
         {std::string{}, std::string{"{"}, std::string{"[]"}, std::string{"null"}, deep,
          std::string{R"({"protected":"e30","payload":""})"},
          std::string{R"({"protected":"e30","payload":"","signature":1})"},
          std::string{R"({"protected":"e30=","payload":"","signature":""})"},
          std::string{R"({"protected":"W10","payload":"","signature":""})"},
          std::string{R"({"protected":"e30","payload":"","signatures":[]})"},
          std::string{R"({"protected":"e30","header":{},"payload":"","signature":""})"},
          jws_of(R"({"alg":"ES256","url":1})", "", ""), jws_of(R"({"alg":"ES256","url":"u","jwk":"no"})", "", ""),
          jws_of("\xff\xfe", "", "")}) {
        CAPTURE(body);
        CHECK(gist(client.send_body("/account/1", body)) == "400 malformed");
    }
}

TEST_CASE("only signatures by known algorithms of the key's own kind count") {
    ca_by_hand ca;
    client_by_hand client{ca};
    client.register_account();
    for (const auto* algorithm : {"none", "HS256", "PS256", "es256", "", "RS1"}) {
        auto header = client.header("/account/1");
        header["alg"] = algorithm;
        const auto answer = client.send_body("/account/1", jws_of(boost::json::serialize(header), "", ""));
        CHECK(gist(answer) == "400 badSignatureAlgorithm");
        CHECK(object_of(answer).at("algorithms").as_array().size() == 4);
    }
    auto header = client.header("/account/1");
    header["alg"] = "RS256";
    CHECK(gist(client.send_body("/account/1", jws_of(boost::json::serialize(header), "", "AAAA"))) == "400 malformed");
}

TEST_CASE("a changed payload, header or signature is noticed") {
    ca_by_hand ca;
    client_by_hand client{ca};
    client.register_account();
    for (const auto* part : {"payload", "protected", "signature"}) {
        CAPTURE(part);
        auto jws =
            boost::json::parse(sign_jws(client.key, client.header("/account/1"), R"({"contact":[]})")).as_object();
        const auto other =
            boost::json::parse(sign_jws(client.key, client.header("/account/1"), R"({"a":1})")).as_object();
        jws[part] = other.at(part);
        CHECK(gist(client.send_body("/account/1", boost::json::serialize(jws))) == "400 malformed");
    }
}

TEST_CASE("a key that cannot be used is a bad public key") {
    ca_by_hand ca;
    client_by_hand client{ca};
    const object bad[] = {
        {},
        {{"kty", "oct"}, {"k", "AAAA"}},
        {{"kty", "EC"}, {"crv", "P-256"}, {"x", "AAAA"}, {"y", "AAAA"}},
        {{"kty", "RSA"}, {"n", "AQAB"}, {"e", "AQAB"}},
    };
    for (const auto& jwk : bad) {
        auto header = client.header("/new-account");
        header["jwk"] = jwk;
        CHECK(gist(client.send("/new-account", header, "{}")) == "400 badPublicKey");
    }
}

TEST_CASE("a POST that is not application/jose+json is refused") {
    ca_by_hand ca;
    client_by_hand client{ca};
    request in{"POST", "/new-account"};
    in.body = sign_jws(client.key, client.header("/new-account"), "{}");
    CHECK(gist(ca.handle(in)) == "415 malformed");
    in.fields.set("Content-Type", "application/json");
    CHECK(gist(ca.handle(in)) == "415 malformed");
}

TEST_CASE("the next request fails as it was told to, and the one after does not") {
    ca_by_hand ca;
    client_by_hand client{ca};
    client.register_account();
    ca.core.faults().fail_next(
        testing::resource::new_order, {testing::acme_problem(429, "rateLimited", "slow down"), "120"});
    CHECK(gist(client.post("/account/1")) == "200");
    const auto refused = client.post("/new-order", order_of({"a.test"}));
    CHECK(gist(refused) == "429 rateLimited");
    CHECK(refused.fields.get("Retry-After") == "120");
    CHECK(gist(client.post("/new-order", order_of({"a.test"}))) == "201");
    CHECK(ca.core.count(testing::resource::new_order) == 2);
}

TEST_CASE("a fault without a type is no problem document") {
    ca_by_hand ca;
    problem gateway;
    gateway.status = 502;
    gateway.detail = "<html>Bad Gateway</html>";
    ca.core.faults().fail_next(testing::resource::directory, {gateway, {}});
    const auto answer = ca.handle({"GET", "/directory"});
    CHECK(answer.status == 502);
    CHECK(answer.body == "<html>Bad Gateway</html>");
}
