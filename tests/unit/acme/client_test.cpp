#include <boost/json.hpp>

#include <evercert/acme/client.hpp>

#include "catch.hpp"
#include "crypto/encoding.hpp"
#include "crypto/jws.hpp"
#include "scripted_ca.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using test::client_of;
using test::contains;
using test::error_of;
using test::scripted_ca;
using test::with_ca;

namespace {

std::string order_json(const std::string& status, const std::string& more = "") {
    return R"({"status": ")" + status +
        R"(", "identifiers": [{"type": "dns", "value": "a.test"}, {"type": "ip", "value": "192.0.2.1"}],
        "authorizations": [], "finalize": "https://ca.test/finalize/1")" +
        more + "}";
}

std::string authorization_json(const std::string& status, const std::string& error = "") {
    return R"({"status": ")" + status +
        R"(", "identifier": {"type": "dns", "value": "a.test"}, "challenges": [{"type": "http-01",
        "url": "https://ca.test/challenge/1", "token": "DGyRejmCefe7v4NfDGDKfA", "status": ")" +
        status + "\"" + error + "}]}";
}

response document(std::string body) { return response{200, std::move(body)}; }

const std::string challenge_error =
    R"(, "error": {"type": "urn:ietf:params:acme:error:connection", "detail": "refused"})";

// Named: a braced list in an expression that awaits is too much for GCC 12.
const std::vector<identifier> names{"a.test", "192.0.2.1"};
const std::vector<identifier> other_names{"a.test"};
const std::vector<identifier> no_names;
const bytes der{1, 2, 3};

}  // namespace

TEST_CASE("an order is placed for names and addresses, and has its URL from Location") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto answer = response{201, order_json("pending")};
        answer.fields.set("Location", ca.url("/order/1"));
        answer.fields.set("Retry-After", "3");
        ca.on("/new-order", answer);
        auto client = client_of(ca);
        auto order = co_await client.new_order(names);
        CHECK(order.url == ca.url("/order/1"));
        CHECK(order.identifiers == names);
        CHECK(order.retry_after == duration{3s});
        CHECK(
            boost::json::parse(ca.requests.back().payload) ==
            boost::json::parse(R"({"identifiers": [{"type": "dns", "value": "a.test"},
                                                   {"type": "ip", "value": "192.0.2.1"}]})"));
    });
}

TEST_CASE("an order for other names, or without a URL, is refused") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto client = client_of(ca);
        ca.json("/new-order", 201, order_json("pending"), ca.url("/order/1"));
        auto thrown = co_await error_of(client.new_order(other_names));
        CHECK(thrown.code() == errc::acme_malformed);
        CHECK(contains(thrown.what(), "is for a.test, 192.0.2.1, and not for a.test"));
        const std::vector<std::string> locations{"", "/order/1", "http://ca.test/order/1"};
        for (auto& location : locations) {
            ca.json("/new-order", 201, order_json("pending"), location);
            thrown = co_await error_of(client.new_order(names));
            CHECK(thrown.code() == errc::acme_malformed);
            CHECK(contains(thrown.what(), "the CA's answer to newOrder has no https URL in Location"));
        }
        thrown = co_await error_of(client.new_order(no_names));
        CHECK(thrown.code() == errc::invalid_options);
    });
}

TEST_CASE("a step that needs an account says so where there is none") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        acme::client client{private_key::generate(), ca.options()};
        auto thrown = co_await error_of(client.new_order(names));
        CHECK(thrown.code() == errc::account_does_not_exist);
        CHECK(contains(thrown.what(), "call new_account()"));
        CHECK(ca.count("/new-order") == 0);
    });
}

TEST_CASE("an account that the CA does not know is told apart") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.on("/account", test::problem(400, "accountDoesNotExist"));
        acme::client client{private_key::generate(), ca.options()};
        auto thrown = co_await error_of(client.only_return_existing());
        CHECK(thrown.code() == errc::account_does_not_exist);
        CHECK(ca.requests.back().payload == R"({"onlyReturnExisting":true})");
        CHECK(client.account_url().empty());
        ca.json("/account", 200, R"({"status": "valid"})", ca.url("/account/7"));
        auto account = co_await client.only_return_existing();
        CHECK(account.url == ca.url("/account/7"));
        CHECK(client.account_url() == ca.url("/account/7"));
    });
}

TEST_CASE("an order that is finalized keeps its URL, though the answer has none") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.json("/finalize/1", 200, order_json("processing"));
        auto client = client_of(ca);
        acme::order order;
        order.url = ca.url("/order/1");
        order.finalize = ca.url("/finalize/1");
        auto sent = co_await client.finalize(order, der);
        CHECK(sent.url == ca.url("/order/1"));
        CHECK(sent.status == acme::order_status::processing);
        CHECK(ca.requests.back().payload == R"({"csr":"AQID"})");
    });
}

TEST_CASE("a challenge is answered with an empty object, an authorization ended with a status") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto body = boost::json::parse(authorization_json("pending")).at("challenges").at(0);
        ca.json("/challenge/1", 200, boost::json::serialize(body));
        ca.json("/authz/1", 200, authorization_json("deactivated"));
        auto client = client_of(ca);
        auto challenge = co_await client.challenge_ready(ca.url("/challenge/1"));
        CHECK(challenge.type == "http-01");
        CHECK(ca.requests.back().payload == "{}");
        co_await client.deactivate_authorization(ca.url("/authz/1"));
        CHECK(ca.requests.back().payload == R"({"status":"deactivated"})");
    });
}

TEST_CASE("an authorization is polled until it is valid") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.on("/authz/1", [n = 0](const scripted_ca::seen&) mutable {
            return document(authorization_json(++n < 5 ? "pending" : "valid"));
        });
        auto client = client_of(ca);
        auto authorization = co_await client.wait_authorization(ca.url("/authz/1"));
        CHECK(authorization.status == acme::authorization_status::valid);
        CHECK(ca.count("/authz/1") == 5);
    });
}

TEST_CASE("an authorization that fails throws what the challenge failed by") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.json("/authz/1", 200, authorization_json("invalid", challenge_error));
        auto client = client_of(ca);
        auto thrown = co_await error_of(client.wait_authorization(ca.url("/authz/1")));
        CHECK(thrown.code() == errc::authorization_invalid);
        REQUIRE(thrown.problem());
        CHECK(thrown.problem()->is("connection"));
        CHECK(contains(thrown.what(), "the CA could not validate a.test by \"http-01\": connection: \"refused\""));
    });
}

TEST_CASE("an order is polled until it is ready or valid") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.on("/order/1", [n = 0](const scripted_ca::seen&) mutable {
            const char* statuses[] = {"pending", "processing", "ready"};
            return document(order_json(statuses[std::min(n++, 2)]));
        });
        auto client = client_of(ca);
        auto order = co_await client.wait_order(ca.url("/order/1"));
        CHECK(order.status == acme::order_status::ready);
        ca.json("/order/1", 200, order_json("valid", R"(, "certificate": "https://ca.test/certificate/1")"));
        order = co_await client.wait_order(ca.url("/order/1"));
        CHECK(order.certificate == "https://ca.test/certificate/1");
    });
}

TEST_CASE("an order that becomes invalid throws its problem") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto client = client_of(ca);
        ca.json("/order/1", 200, order_json("invalid", challenge_error));
        auto thrown = co_await error_of(client.wait_order(ca.url("/order/1")));
        CHECK(thrown.code() == errc::order_invalid);
        REQUIRE(thrown.problem());
        CHECK(thrown.problem()->is("connection"));
        CHECK(contains(thrown.what(), "the order for a.test, 192.0.2.1 invalid"));
        ca.json("/order/1", 200, order_json("invalid"));
        thrown = co_await error_of(client.wait_order(ca.url("/order/1")));
        CHECK(thrown.code() == errc::order_invalid);
        CHECK(contains(thrown.what(), "without saying why"));
    });
}

TEST_CASE("a wait ends at its bound") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.json("/authz/1", 200, authorization_json("pending"));
        auto options = ca.options();
        options.wait_max = 50ms;
        acme::client client{private_key::generate(), ca.url("/account/1"), options};
        auto thrown = co_await error_of(client.wait_authorization(ca.url("/authz/1")));
        CHECK(thrown.code() == errc::timed_out);
        CHECK(contains(thrown.what(), ca.url("/authz/1")));
    });
}

TEST_CASE("three polls in a row may fail for a moment, four may not") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto fail = [&](int times) {
            ca.on("/order/1", [times](const scripted_ca::seen&) mutable {
                return times-- > 0 ? response{503} : document(order_json("ready"));
            });
        };
        auto client = client_of(ca);
        fail(3);
        auto order = co_await client.wait_order(ca.url("/order/1"));
        CHECK(order.status == acme::order_status::ready);
        fail(4);
        auto thrown = co_await error_of(client.wait_order(ca.url("/order/1")));
        CHECK(thrown.code() == errc::http_status);
    });
}

TEST_CASE("a poll that is refused for good ends the wait at once") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.on("/order/1", test::problem(403, "unauthorized"));
        auto client = client_of(ca);
        auto thrown = co_await error_of(client.wait_order(ca.url("/order/1")));
        CHECK(thrown.code() == errc::acme_problem);
        CHECK(ca.count("/order/1") == 1);
    });
}

TEST_CASE("a chain comes with the URLs of the alternate ones") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        auto answer = document(pem);
        answer.fields.add("Link", "<https://ca.test/dir>;rel=\"index\"");
        answer.fields.add("Link", "<https://ca.test/certificate/1/1>;rel=\"alternate\"");
        answer.fields.add("Link", "<https://ca.test/certificate/1/2>;rel=\"alternate\"");
        ca.on("/certificate/1", answer);
        auto client = client_of(ca);
        auto chain = co_await client.certificate(ca.url("/certificate/1"));
        CHECK(chain.pem == pem);
        CHECK(
            chain.alternates ==
            std::vector<std::string>{"https://ca.test/certificate/1/1", "https://ca.test/certificate/1/2"});
        CHECK(ca.requests.back().fields.get("Accept") == "application/pem-certificate-chain");
        ca.on("/certificate/1", document("<html>"));
        auto thrown = co_await error_of(client.certificate(ca.url("/certificate/1")));
        CHECK(thrown.code() == errc::acme_malformed);
    });
}

TEST_CASE("a revocation names the certificate, and its reason if there is one") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.on("/revoke", response{200});
        auto client = client_of(ca);
        co_await client.revoke(der);
        CHECK(ca.requests.back().payload == R"({"certificate":"AQID"})");
        co_await client.revoke(der, acme::revocation_reason::superseded);
        CHECK(ca.requests.back().payload == R"({"certificate":"AQID","reason":4})");
    });
}

TEST_CASE("no URL that is not https is asked, wherever it came from") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto client = client_of(ca);
        const std::vector<std::string> urls{"", "http://127.0.0.1/", "file:///etc/passwd"};
        for (auto& url : urls) {
            auto thrown = co_await error_of(client.order(url));
            CHECK(thrown.code() == errc::invalid_options);
            CHECK(contains(thrown.what(), "is not an https URL"));
        }
    });
}

TEST_CASE("a key authorization is the token and the key's thumbprint") {
    acme::client client{private_key::generate()};
    CHECK(client.key_authorization("token") == "token." + jwk_thumbprint(client.account_key()));
}
