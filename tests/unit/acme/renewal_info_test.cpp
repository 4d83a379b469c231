#include <boost/json.hpp>

#include <evercert/acme/client.hpp>

#include "catch.hpp"
#include "scripted_ca.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using test::client_of;
using test::contains;
using test::error_of;
using test::scripted_ca;
using test::with_ca;

namespace {

// Named: GCC 12 is not to make a string in an expression that awaits.
const std::string id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
const std::string none;
const std::vector<identifier> names{"a.test"};

constexpr const char* june =
    R"({"suggestedWindow": {"start": "2026-06-01T00:00:00Z", "end": "2026-06-03T00:00:00+01:00"}})";

void add_to_directory(scripted_ca& ca, const std::string& url) {
    const std::string urls = R"(, "newNonce": ")" + ca.url("/nonce") + R"(", "newAccount": ")" + ca.url("/account") +
        R"(", "newOrder": ")" + ca.url("/new-order") + R"(", "revokeCert": ")" + ca.url("/revoke") + "\"}";
    ca.json("/dir", 200, R"({"renewalInfo": ")" + url + "\"" + urls);
}

response answer_of(std::string body, std::string_view retry_after) {
    response answer{200, std::move(body)};
    if (!retry_after.empty())
        answer.fields.set("Retry-After", retry_after);
    return answer;
}

}  // namespace

TEST_CASE("renewal information is asked for by a GET without account or signature") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        add_to_directory(ca, ca.url("/ari"));
        ca.on("/ari/" + id, answer_of(june, "7200"));
        acme::client client{private_key::generate(), ca.options()};
        auto info = co_await client.renewal_info(id);
        CHECK(info.start == std::chrono::sys_days{std::chrono::year{2026} / 6 / 1});
        CHECK(info.end == std::chrono::sys_days{std::chrono::year{2026} / 6 / 2} + 23h);
        CHECK(info.retry_after == duration{2h});
        CHECK_FALSE(info.explanation_url);
        CHECK(ca.requests.back().method == "GET");
        CHECK(ca.count("/nonce") == 0);
        // A directory may end its URL with the slash.
        add_to_directory(ca, ca.url("/ari/"));
        acme::client other{private_key::generate(), ca.options()};
        auto again = co_await other.renewal_info(id);
        CHECK(again.start == info.start);
    });
}

TEST_CASE("the Retry-After of renewal information is brought between a minute and a day") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        add_to_directory(ca, ca.url("/ari"));
        acme::client client{private_key::generate(), ca.options()};
        const std::vector<std::pair<std::string, std::optional<duration>>> cases{
            {"", std::nullopt},
            {"soon", std::nullopt},
            {"-5", std::nullopt},
            {"0", 1min},
            {"59", 1min},
            {"61", 61s},
            {"86401", 24h},
            {"99999999999999999999", 24h},
            {"Thu, 01 Jan 1970 00:00:00 GMT", 1min},
            {"Fri, 31 Dec 9999 23:59:59 GMT", 24h}};
        for (auto& [text, expected] : cases) {
            INFO(text);
            ca.on("/ari/" + id, answer_of(june, text));
            auto info = co_await client.renewal_info(id);
            CHECK(info.retry_after == expected);
        }
        auto options = ca.options();
        options.renewal_info_wait_min = 1s;
        options.renewal_info_wait_max = 5s;
        acme::client impatient{private_key::generate(), options};
        ca.on("/ari/" + id, answer_of(june, "3600"));
        auto info = co_await impatient.renewal_info(id);
        CHECK(info.retry_after == duration{5s});
    });
}

TEST_CASE("renewal information that is none is refused by what is wrong") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        add_to_directory(ca, ca.url("/ari"));
        acme::client client{private_key::generate(), ca.options()};
        const std::vector<std::pair<std::string, std::string>> cases{
            {"{}", "has no \"suggestedWindow\""},
            {R"({"suggestedWindow": null})", "has no \"suggestedWindow\""},
            {R"({"suggestedWindow": ["2026-06-01T00:00:00Z"]})", "\"suggestedWindow\" that is not an object"},
            {R"({"suggestedWindow": {"start": "2026-06-01T00:00:00Z"}})", "has no \"end\""},
            {R"({"suggestedWindow": {"end": "2026-06-01T00:00:00Z"}})", "has no \"start\""},
            {R"({"suggestedWindow": {"start": 1, "end": "2026-06-01T00:00:00Z"}})", "\"start\" that is not a string"},
            {R"({"suggestedWindow": {"start": "2026-06-01", "end": "2026-06-02T00:00:00Z"}})",
             "\"start\" that is not an RFC 3339 time"},
            {R"({"suggestedWindow": {"start": "2026-06-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"}})",
             "\"suggestedWindow\" that does not end after its \"start\""},
            {R"({"suggestedWindow": {"start": "2026-06-02T00:00:00Z", "end": "2026-06-01T00:00:00Z"}})",
             "\"suggestedWindow\" that does not end after its \"start\""},
            {R"({"suggestedWindow": {"start": "2026-06-01T00:00:00Z", "end": "2026-06-02T00:00:00Z"}, "explanationURL": 1})",
             "\"explanationURL\" that is not a string"},
            {"window", "is not JSON"}};
        for (auto& [body, expected] : cases) {
            INFO(body);
            ca.on("/ari/" + id, answer_of(body, ""));
            auto thrown = co_await error_of(client.renewal_info(id));
            CHECK(thrown.code() == errc::acme_malformed);
            CHECK(contains(thrown.what(), "the CA's renewal information "));
            CHECK(contains(thrown.what(), expected));
        }
    });
}

TEST_CASE("a window is kept though the page that explains it has no https URL") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        add_to_directory(ca, ca.url("/ari"));
        acme::client client{private_key::generate(), ca.options()};
        auto document = boost::json::parse(june).as_object();
        for (const auto* page : {"javascript:alert(1)", "http://ca.test/why", "why", ""}) {
            document["explanationURL"] = page;
            ca.on("/ari/" + id, answer_of(boost::json::serialize(document), ""));
            auto info = co_await client.renewal_info(id);
            CHECK_FALSE(info.explanation_url);
        }
        document["explanationURL"] = "https://ca.test/why";
        ca.on("/ari/" + id, answer_of(boost::json::serialize(document), ""));
        auto info = co_await client.renewal_info(id);
        CHECK(info.explanation_url == "https://ca.test/why");
    });
}

TEST_CASE("a refusal of renewal information has the CA's problem and its Retry-After") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        add_to_directory(ca, ca.url("/ari"));
        acme::client client{private_key::generate(), ca.options()};
        auto refusal = test::problem(503, "serverInternal");
        refusal.fields.set("Retry-After", "120");
        ca.on("/ari/" + id, refusal);
        auto thrown = co_await error_of(client.renewal_info(id));
        REQUIRE(thrown.problem());
        CHECK(thrown.problem()->is("serverInternal"));
        CHECK(thrown.retry_after() == 120s);
        CHECK(is_retryable(thrown));

        response moved{302};
        moved.fields.set("Location", ca.url("/elsewhere"));
        ca.on("/ari/" + id, moved);
        thrown = co_await error_of(client.renewal_info(id));
        CHECK(thrown.code() == errc::http_status);
        CHECK(contains(thrown.what(), "redirects renewalInfo to"));
        CHECK(ca.count("/elsewhere") == 0);
    });
}

TEST_CASE("a CA without renewal information is told apart, and a wrong id never sent") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        acme::client client{private_key::generate(), ca.options()};
        auto thrown = co_await error_of(client.renewal_info(id));
        CHECK(thrown.code() == errc::acme_unsupported);
        CHECK_FALSE(is_retryable(thrown));
        CHECK(contains(thrown.what(), "127.0.0.1"));
        const std::vector<std::string> wrong{"", ".", "a.", ".b", "a.b.c", "a/b.c", "../dir", "a.b%2f", "a+.b="};
        for (auto& text : wrong) {
            INFO(text);
            thrown = co_await error_of(client.renewal_info(text));
            CHECK(thrown.code() == errc::invalid_options);
        }
        CHECK(ca.requests.size() == 1);
    });
}

TEST_CASE("an order says what it replaces where the directory has renewal information, and nowhere else") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        const std::string order = R"({"status": "pending", "identifiers": [{"type": "dns", "value": "a.test"}],
            "authorizations": [], "finalize": "https://ca.test/finalize/1")";
        ca.json("/new-order", 201, order + "}", ca.url("/order/1"));
        auto without = client_of(ca);
        auto placed = co_await without.new_order(names, id);
        CHECK(placed.replaces.empty());
        CHECK_FALSE(contains(ca.requests.back().payload, "replaces"));

        add_to_directory(ca, ca.url("/ari"));
        ca.json("/new-order", 201, order + R"(, "replaces": ")" + id + "\"}", ca.url("/order/1"));
        auto client = client_of(ca);
        placed = co_await client.new_order(names, id);
        CHECK(placed.replaces == id);
        CHECK(boost::json::parse(ca.requests.back().payload).at("replaces").as_string() == id);
        co_await client.new_order(names, none);
        CHECK_FALSE(contains(ca.requests.back().payload, "replaces"));

        const std::string wrong = "../account";
        auto thrown = co_await error_of(client.new_order(names, wrong));
        CHECK(thrown.code() == errc::invalid_options);
        ca.on("/new-order", test::problem(409, "alreadyReplaced"));
        thrown = co_await error_of(client.new_order(names, id));
        REQUIRE(thrown.problem());
        CHECK(thrown.problem()->is("alreadyReplaced"));
        CHECK(contains(thrown.what(), "order without `replaces`"));
    });
}
