#include <boost/json.hpp>

#include <evercert/error.hpp>

#include "acme/json.hpp"
#include "acme/wire.hpp"
#include "catch.hpp"

using namespace evercert;
namespace json = boost::json;

namespace {

const std::string url = "https://ca.test/order/1";

const json::object& directory_document() {
    static const json::object document{
        {"newNonce", "https://ca.test/nonce"},
        {"newAccount", "https://ca.test/account"},
        {"newOrder", "https://ca.test/order"},
        {"revokeCert", "https://other.ca.test/revoke"},
        {"keyChange", "https://ca.test/key"},
        {"renewalInfo", "https://ca.test/ari"},
        {"meta",
         {{"termsOfService", "https://ca.test/terms"},
          {"website", "https://ca.test"},
          {"caaIdentities", json::array{"ca.test"}},
          {"externalAccountRequired", true}}},
        {"x7kB1cLBVyI", "https://example.com/adding-random-entries"}};
    return document;
}

const json::object& order_document() {
    static const json::object document{
        {"status", "valid"},
        {"expires", "2026-01-31T12:00:00Z"},
        {"identifiers",
         json::array{{{"type", "dns"}, {"value", "*.a.test"}}, {{"type", "ip"}, {"value", "192.0.2.1"}}}},
        {"authorizations", json::array{"https://ca.test/authz/1", "https://ca.test/authz/2"}},
        {"finalize", "https://ca.test/order/1/finalize"},
        {"certificate", "https://ca.test/certificate/1"}};
    return document;
}

const json::object& challenge_document() {
    static const json::object document{
        {"type", "http-01"},
        {"url", "https://ca.test/challenge/1"},
        {"status", "invalid"},
        {"token", "DGyRejmCefe7v4NfDGDKfA_-"},
        {"error", {{"type", "urn:ietf:params:acme:error:connection"}, {"detail", "no route"}}}};
    return document;
}

const json::object& authorization_document() {
    static const json::object document{
        {"status", "pending"},
        {"identifier", {{"type", "dns"}, {"value", "a.test"}}},
        {"wildcard", true},
        {"expires", "2026-01-31T12:00:00+01:00"},
        {"challenges", json::array{challenge_document()}}};
    return document;
}

json::object with(json::object document, std::string_view name, json::value value) {
    document[name] = std::move(value);
    return document;
}

json::object with(json::object document, std::string_view name, const std::string& text) {
    return with(std::move(document), name, json::value(json::string(text)));
}

json::object with(json::object document, std::string_view name, const char* text) {
    return with(std::move(document), name, std::string{text});
}

json::object without(json::object document, std::string_view name) {
    document.erase(name);
    return document;
}

/// The text of the acme_malformed that `parse` throws; empty if it throws nothing.
template <typename Parse>
std::string malformed(Parse parse) {
    try {
        parse();
    } catch (const error& thrown) {
        CHECK(thrown.code() == errc::acme_malformed);
        return thrown.what();
    }
    return {};
}

std::string order_error(const json::object& document) {
    return malformed([&] { acme::parse_order(json::serialize(document), url); });
}

std::string authorization_error(const json::object& document) {
    return malformed([&] { acme::parse_authorization(json::serialize(document), url); });
}

std::string challenge_error(const json::object& document) {
    return malformed([&] { acme::parse_challenge(json::serialize(document), url); });
}

std::string directory_error(const json::object& document) {
    return malformed([&] { acme::parse_directory(json::serialize(document), url); });
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a directory is read with its meta, and entries that nobody knows are ignored") {
    auto directory = acme::parse_directory(json::serialize(directory_document()), url);
    CHECK(directory.new_nonce == "https://ca.test/nonce");
    CHECK(directory.revoke_cert == "https://other.ca.test/revoke");
    CHECK(directory.renewal_info == "https://ca.test/ari");
    CHECK(directory.terms_of_service == "https://ca.test/terms");
    CHECK(directory.caa_identities == std::vector<std::string>{"ca.test"});
    CHECK(directory.external_account_required);
}

TEST_CASE("a directory without meta, keyChange and renewalInfo is one") {
    auto document = without(without(without(directory_document(), "meta"), "keyChange"), "renewalInfo");
    auto directory = acme::parse_directory(json::serialize(document), url);
    CHECK(directory.key_change.empty());
    CHECK(directory.renewal_info.empty());
    CHECK_FALSE(directory.terms_of_service);
    CHECK_FALSE(directory.external_account_required);
}

TEST_CASE("a directory that lacks what every client needs is refused by the name of the entry") {
    for (std::string name : {"newNonce", "newAccount", "newOrder", "revokeCert"}) {
        CHECK(contains(directory_error(without(directory_document(), name)), "the CA's directory has no \"" + name));
        CHECK(contains(directory_error(with(directory_document(), name, 7)), name + "\" that is not a string"));
        CHECK(contains(directory_error(with(directory_document(), name, json::value(nullptr))), "has no \"" + name));
    }
}

TEST_CASE("no URL of a CA leads out of https") {
    for (std::string bad :
         {"http://ca.test/x", "file:///etc/passwd", "ftp://ca.test/", "", "//ca.test/x", "/x", "https://", "ca.test",
          "https://user@ca.test/x", "https://ca.test/a b", "https://ca.test/x\r\nHost: y", "javascript:alert(1)"}) {
        INFO(bad);
        CHECK(contains(
            directory_error(with(directory_document(), "newOrder", bad)), "newOrder\" that is not an https URL"));
        CHECK(contains(order_error(with(order_document(), "finalize", bad)), "finalize\" that is not an https URL"));
        CHECK(contains(
            order_error(with(order_document(), "authorizations", json::array(1, json::string(bad)))),
            "authorizations"));
        CHECK(contains(challenge_error(with(challenge_document(), "url", bad)), "url\" that is not an https URL"));
    }
    auto long_one = "https://ca.test/" + std::string(acme::url_size_max, 'x');
    CHECK(contains(order_error(with(order_document(), "finalize", long_one)), "finalize\" of more than"));
}

TEST_CASE("an order is read with names, authorizations and times") {
    auto order = acme::parse_order(json::serialize(order_document()), url);
    CHECK(order.url == url);
    CHECK(order.status == acme::order_status::valid);
    CHECK(order.identifiers == std::vector<identifier>{"*.a.test", "192.0.2.1"});
    CHECK(order.authorizations.size() == 2);
    CHECK(order.finalize == "https://ca.test/order/1/finalize");
    CHECK(order.certificate == "https://ca.test/certificate/1");
    CHECK(order.expires == wall_time{std::chrono::seconds{1769860800}});
    CHECK_FALSE(order.error);
}

TEST_CASE("an order's error is kept") {
    auto document = with(order_document(), "status", "invalid");
    document["error"] = {{"type", "urn:ietf:params:acme:error:badCSR"}, {"detail", "no"}, {"status", 400}};
    auto order = acme::parse_order(json::serialize(document), url);
    REQUIRE(order.error);
    CHECK(order.error->is("badCSR"));
    CHECK(order.error->status == 400);
}

TEST_CASE("an order that lacks what RFC 8555 requires is refused by the name of the member and its URL") {
    for (std::string name : {"status", "identifiers", "authorizations", "finalize"}) {
        auto text = order_error(without(order_document(), name));
        CHECK(contains(text, "the CA's order has no \"" + name + "\""));
        CHECK(contains(text, url));
        CHECK(contains(order_error(with(order_document(), name, true)), name + "\" that is not"));
    }
    CHECK(contains(order_error(without(order_document(), "certificate")), "is \"valid\" and has no \"certificate\""));
}

TEST_CASE("an order with something strange in it is refused") {
    auto names = [](json::array names) { return with(order_document(), "identifiers", std::move(names)); };
    CHECK(contains(order_error(with(order_document(), "status", "done")), "\"done\""));
    CHECK(contains(order_error(with(order_document(), "status", "Valid")), "\"Valid\""));
    CHECK(contains(order_error(with(order_document(), "expires", "tomorrow")), "not an RFC 3339 time: \"tomorrow\""));
    CHECK(contains(order_error(with(order_document(), "error", "no")), "error\" that is not an object"));
    CHECK(contains(order_error(names({})), "is for no name"));
    CHECK(contains(order_error(names({"a.test"})), "entry in \"identifiers\" that is not an object"));
    CHECK(contains(order_error(names({{{"type", "dns"}}})), "has no \"value\""));
    CHECK(contains(order_error(names({{{"type", "dns"}, {"value", "../x"}}})), "is no name"));
    CHECK(contains(order_error(names({{{"type", "dns"}, {"value", "192.0.2.1"}}})), "is no name"));
    CHECK(contains(order_error(names({{{"type", "ip"}, {"value", "a.test"}}})), "is no name"));
    CHECK(contains(order_error(names({{{"type", "tnauthlist"}, {"value", "x"}}})), "\"type\" that is not known here"));
    json::array many(1001, "https://ca.test/authz/1");
    CHECK(contains(order_error(with(order_document(), "authorizations", many)), "more than 1000 entries"));
}

TEST_CASE("an authorization is read with its challenges") {
    auto authorization = acme::parse_authorization(json::serialize(authorization_document()), url);
    CHECK(authorization.identifier == identifier{"a.test"});
    CHECK(authorization.wildcard);
    CHECK(authorization.expires == wall_time{std::chrono::seconds{1769857200}});
    const auto* challenge = authorization.find("http-01");
    REQUIRE(challenge);
    CHECK(challenge->token == "DGyRejmCefe7v4NfDGDKfA_-");
    CHECK(challenge->status == acme::challenge_status::invalid);
    REQUIRE(challenge->error);
    CHECK(challenge->error->is("connection"));
    CHECK(authorization.find("dns-01") == nullptr);
}

TEST_CASE("an authorization that is not one is refused by what is wrong") {
    for (std::string name : {"status", "identifier", "challenges"})
        CHECK(contains(authorization_error(without(authorization_document(), name)), "has no \"" + name));
    json::object wildcard{{"type", "dns"}, {"value", "*.a.test"}};
    CHECK(contains(authorization_error(with(authorization_document(), "identifier", wildcard)), "wildcard"));
    CHECK(contains(authorization_error(with(authorization_document(), "wildcard", "yes")), "neither true nor false"));
    CHECK(contains(authorization_error(with(authorization_document(), "challenges", json::array(33))), "more than 32"));
    CHECK(contains(authorization_error(with(authorization_document(), "challenges", json::array{1})), "challenge"));
}

TEST_CASE("a challenge that is not one is refused by what is wrong") {
    for (std::string name : {"type", "url", "status", "token"})
        CHECK(contains(challenge_error(without(challenge_document(), name)), "has no \"" + name));
}

TEST_CASE("a token that does not fit into a path is refused") {
    for (std::string bad :
         {"", "short", "../../../../../../etc/passwd", "DGyRejmCefe7v4NfDGDKfA==", "DGyRejmCefe7v4NfDGDKf.A",
          "DGyRejmCefe7v4Nf/DGDKfA", "DGyRejmCefe7v4Nf DGDKfA", "DGyRejmCefe7v4Nf\nDGDKfA",
          "DGyRejmCefe7v4Nf%2fDGDKfA"}) {
        INFO(bad);
        CHECK(contains(challenge_error(with(challenge_document(), "token", bad)), "\"token\""));
        CHECK_FALSE(acme::is_token(bad));
    }
    CHECK(contains(challenge_error(with(challenge_document(), "token", std::string(513, 'a'))), "of more than"));
    CHECK(acme::is_token("DGyRejmCefe7v4NfDGDKfA"));
}

TEST_CASE("a challenge of a type that nobody knows needs no token") {
    auto document = without(with(challenge_document(), "type", "dns-persist-01"), "token");
    auto challenge = acme::parse_challenge(json::serialize(document), url);
    CHECK(challenge.type == "dns-persist-01");
    CHECK(challenge.token.empty());
    CHECK(acme::parse_challenge(json::serialize(with(document, "token", 5)), url).token.empty());
}

TEST_CASE("an account is read") {
    auto account = acme::parse_account(R"({"status": "valid", "contact": ["mailto:ops@a.test"]})", url);
    CHECK(account.url == url);
    CHECK(account.contact == std::vector<std::string>{"mailto:ops@a.test"});
    CHECK(
        acme::parse_account(R"({"status": "revoked", "contact": null})", url).status == acme::account_status::revoked);
    CHECK(contains(malformed([] { acme::parse_account("{}", url); }), "account has no \"status\""));
    CHECK(
        contains(malformed([] { acme::parse_account(R"({"status": "valid", "contact": [1]})", url); }), "\"contact\""));
}

TEST_CASE("what is not a JSON object is refused with its beginning in quotes") {
    auto error_of = [](std::string body) { return malformed([&] { acme::parse_order(body, url); }); };
    CHECK(contains(error_of(""), "is not JSON"));
    CHECK(contains(error_of("<html><body>502\r\n</body>"), "\"<html><body>502\\x0d\\x0a</body>\""));
    CHECK(contains(error_of("{\"status\": \"val"), "is not JSON"));
    CHECK(contains(error_of("{} {}"), "is not JSON"));
    CHECK(contains(error_of("[]"), "is not a JSON object"));
    CHECK(contains(error_of("null"), "is not a JSON object"));
    CHECK(contains(error_of("{\"status\": \"\xff\"}"), "is not JSON"));
    CHECK(contains(error_of(std::string(100'000, '[')), "is not JSON"));
    std::string deep = "{\"x\": " + std::string(40, '[') + std::string(40, ']') + "}";
    CHECK(contains(error_of(deep), "is not JSON"));
    CHECK(contains(error_of("{\"x\": \"" + std::string(acme::json_size_max, 'x') + "\"}"), "more than"));
}

TEST_CASE("no beginning of a document is a document") {
    auto whole = json::serialize(order_document());
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK_FALSE(malformed([&] { acme::parse_order(std::string_view{whole}.substr(0, size), url); }).empty());
}

TEST_CASE("a chain holds certificates and nothing else") {
    std::string one = "-----BEGIN CERTIFICATE-----\nMIIB+/==\n-----END CERTIFICATE-----\n";
    auto error_of = [](const std::string& pem) { return malformed([&] { acme::check_chain(pem, url); }); };
    CHECK(error_of(one).empty());
    CHECK(error_of(one + "\n" + one + "\r\n").empty());
    CHECK(contains(error_of(""), "is empty"));
    CHECK(contains(error_of("\n\n"), "is empty"));
    CHECK(contains(error_of("<html>"), "\"<html>\""));
    CHECK_FALSE(error_of("subject=CN\n" + one).empty());
    CHECK_FALSE(error_of(one + "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n").empty());
    CHECK_FALSE(error_of(one + "-----BEGIN CERTIFICATE-----\nMIIB\n").empty());
    CHECK_FALSE(error_of("-----BEGIN CERTIFICATE-----\n<script>\n-----END CERTIFICATE-----\n").empty());
}

TEST_CASE("states have the RFC's names") {
    CHECK(acme::to_string(acme::order_status::processing) == "processing");
    CHECK(acme::to_string(acme::authorization_status::expired) == "expired");
    CHECK(acme::to_string(acme::challenge_status::pending) == "pending");
    CHECK(acme::to_string(acme::account_status::deactivated) == "deactivated");
}
