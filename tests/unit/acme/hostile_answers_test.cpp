#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include <evercert/acme/client.hpp>

#include "acme/json.hpp"
#include "catch.hpp"
#include "scripted_ca.hpp"

// A CA, or whoever answers in its place, whose documents may be good while the rest of its answers is not: URLs, redirects, header
// fields, waits, and HTTP itself.

using namespace evercert;
using namespace std::chrono_literals;
using test::client_of;
using test::contains;
using test::error_of;
using test::scripted_ca;
using test::with_ca;

namespace {

// Named: GCC 12 is not to make them in an expression that awaits.
const std::vector<identifier> names{"a.test"};
const std::vector<std::string> no_contact;
const std::vector<unsigned char> der{1, 2, 3};
const std::string id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

/// What a client is not to ask, wherever it came from: RFC 8555 speaks of https alone (section 6.1).
const std::vector<std::string> wrong_urls{
    "",
    "/order/1",
    "//127.0.0.1/order/1",
    "order/1",
    "http://127.0.0.1/order/1",
    "HTTP://127.0.0.1/order/1",
    "file:///etc/passwd",
    "ftp://127.0.0.1/order/1",
    "gopher://127.0.0.1:25/_HELO",
    "unix:/run/docker.sock",
    "data:application/json,{}",
    "https:127.0.0.1/order/1",
    "https:///order/1",
    "https://",
    "https://user@127.0.0.1/order/1",
    "https://user:password@127.0.0.1/order/1",
    "https://127.0.0.1@ca.test/order/1",
    "https://127.0.0.1:0/order/1",
    "https://127.0.0.1:65536/order/1",
    "https://127.0.0.1:443:443/order/1",
    "https://127.1/order/1",
    "https://0x7f.0.0.1/order/1",
    "https://2130706433/order/1",
    "https://[::1/order/1",
    "https://[fe80::1%25eth0]/order/1",
    "https://ca..test/order/1",
    "https://c%61.test/order/1",
    "https://ca.test\\@127.0.0.1/order/1",
    "https://ca.test/order/1#fragment",
    "https://ca.test/order 1",
    "https://ca.test/\xc3\xbc"};

/// What cannot even stand in a header field, but in JSON.
const std::vector<std::string> unprintable_urls{
    "https://ca.test/\r\nHost: b.test", "https://ca.test/\torder", std::string{"https://ca.test/\0order", 22},
    "https://ca.test/\x7f", "https://ca.test\n/"};

constexpr const char* order_body =
    R"({{"status": "{}", "identifiers": [{{"type": "dns", "value": "a.test"}}], "authorizations": [],
        "finalize": "https://ca.test/finalize/1"}})";

std::string order_json(const std::string& status) { return fmt::format(order_body, status); }

/// Each step of the protocol by its name in RFC 8555, at this path.
struct step {
    std::string name;
    std::string path;
    std::function<asio::awaitable<void>(acme::client&, const scripted_ca&)> take;
};

template <typename T>
asio::awaitable<void> done(asio::awaitable<T> work) {
    co_await std::move(work);
}

acme::order order_to_finalize(const scripted_ca& ca) {
    acme::order order;
    order.url = ca.url("/order/1");
    order.finalize = ca.url("/finalize/1");
    return order;
}

const std::vector<step>& signed_steps() {
    using client = acme::client;
    using ca = scripted_ca;
    static const std::vector<step> all{
        {"newAccount", "/account", [](client& c, const ca&) { return done(c.new_account(no_contact, true)); }},
        {"newOrder", "/new-order", [](client& c, const ca&) { return done(c.new_order(names)); }},
        {"order", "/order/1", [](client& c, const ca& at) { return done(c.order(at.url("/order/1"))); }},
        {"authorization", "/authz/1",
         [](client& c, const ca& at) { return done(c.authorization(at.url("/authz/1"))); }},
        {"challenge", "/challenge/1",
         [](client& c, const ca& at) { return done(c.challenge_ready(at.url("/challenge/1"))); }},
        {"finalize", "/finalize/1",
         [](client& c, const ca& at) { return done(c.finalize(order_to_finalize(at), der)); }},
        {"certificate", "/certificate/1",
         [](client& c, const ca& at) { return done(c.certificate(at.url("/certificate/1"))); }},
        {"revokeCert", "/revoke", [](client& c, const ca&) { return c.revoke(der); }}};
    return all;
}

const std::vector<step>& open_steps() {
    using client = acme::client;
    using ca = scripted_ca;
    static const std::vector<step> all{
        {"newNonce", "/nonce", [](client& c, const ca&) { return done(c.new_nonce()); }},
        {"renewalInfo", "/ari/" + id, [](client& c, const ca&) { return done(c.renewal_info(id)); }}};
    return all;
}

std::vector<step> all_steps() {
    auto all = signed_steps();
    all.insert(all.end(), open_steps().begin(), open_steps().end());
    return all;
}

/// But for the dots of what was cut.
bool is_printable(std::string text) {
    const std::string dots = "\u2026";
    while (contains(text, dots))
        text.erase(text.find(dots), dots.size());
    return text.size() < 1'000 && std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

TEST_CASE("no field of an answer leads a client out of https") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto client = client_of(ca);
        for (auto& url : wrong_urls) {
            INFO(url);
            // What is not ASCII cannot be sent in a field.
            if (url.ends_with('\xbc'))
                continue;
            ca.json("/new-order", 201, order_json("pending"), url);
            auto thrown = co_await error_of(client.new_order(names));
            CHECK(thrown.code() == errc::acme_malformed);
            CHECK(contains(thrown.what(), "the CA's answer to newOrder has no https URL in Location"));
            ca.json("/account", 201, R"({"status": "valid"})", url);
            thrown = co_await error_of(client.new_account(no_contact, true));
            CHECK(thrown.code() == errc::acme_malformed);
            CHECK(contains(thrown.what(), "the CA's answer to newAccount has no https URL in Location"));
            CHECK(client.account_url() == ca.url("/account/1"));
        }
        ca.json("/new-order", 201, order_json("pending"), "https://ca.test/" + std::string(acme::url_size_max, 'x'));
        auto thrown = co_await error_of(client.new_order(names));
        CHECK(contains(thrown.what(), "has no https URL in Location"));
        CHECK(is_printable(thrown.what()));
    });
}

TEST_CASE("a URL that leads out of https is not asked, whoever gave it to the client") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto client = client_of(ca);
        auto all = wrong_urls;
        all.insert(all.end(), unprintable_urls.begin(), unprintable_urls.end());
        for (auto& url : all) {
            INFO(url);
            auto thrown = co_await error_of(client.order(url));
            CHECK(thrown.code() == errc::invalid_options);
            CHECK(contains(thrown.what(), "is not an https URL"));
            CHECK(is_printable(thrown.what()));
        }
        CHECK(ca.requests.empty());
    });
}

TEST_CASE("a CA may have its resources at other hosts and ports") {
    asio::io_context io;
    scripted_ca front{io.get_executor()};
    scripted_ca back{io.get_executor()};
    front.usual();
    front.json(
        "/dir", 200,
        fmt::format(
            R"({{"newNonce": "{0}/nonce", "newAccount": "{0}/account", "newOrder": "{1}/new-order", "revokeCert": "{0}/x"}})",
            front.url(""), back.url("")));
    back.json("/new-order", 201, order_json("pending"), back.url("/order/1"));
    auto test = [&](scripted_ca& ca) -> asio::awaitable<void> {
        auto client = client_of(ca);
        auto placed = co_await client.new_order(names);
        CHECK(placed.url == back.url("/order/1"));
        CHECK(back.requests.back().header.at("url").as_string() == back.url("/new-order"));
        co_await back.stop();
    };
    test::run_io(io, test::run_and_stop(front, test));
}

TEST_CASE("no step but the directory follows a redirect") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.offer_renewal_info();
        for (auto& step : all_steps()) {
            for (int status : {301, 302, 303, 307, 308}) {
                INFO(step.name << " " << status);
                response moved{status};
                moved.fields.set("Location", ca.url("/elsewhere"));
                ca.on(step.path, moved);
                acme::client client{private_key::generate(), ca.url("/account/1"), ca.options()};
                ca.gives_nonces = step.name != "newNonce";
                auto thrown = co_await error_of(step.take(client, ca));
                ca.usual();
                ca.offer_renewal_info();
                CHECK(thrown.code() == errc::http_status);
                CHECK(contains(thrown.what(), step.name));
            }
        }
        CHECK(ca.count("/elsewhere") == 0);
    });
}

TEST_CASE("a Replay-Nonce that is none does not become one") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.gives_nonces = false;
        auto client = client_of(ca);
        const std::vector<std::string> wrong{"", "a b", "a=", "a+/", "\"n\"", "{}", "n,n", std::string(1'025, 'n')};
        for (auto& nonce : wrong) {
            INFO(nonce);
            response answer{200};
            answer.fields.set("Replay-Nonce", nonce);
            ca.on("/nonce", answer);
            auto thrown = co_await error_of(client.order(ca.url("/order/1")));
            CHECK(thrown.code() == errc::acme_malformed);
            CHECK(contains(thrown.what(), "the CA's answer to newNonce has no valid Replay-Nonce"));
        }
        CHECK(ca.count("/order/1") == 0);
    });
}

TEST_CASE("no Retry-After makes a wait longer than its bound, or ends it") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto options = ca.options();
        options.retry_after_max = 20ms;
        acme::client client{private_key::generate(), ca.url("/account/1"), options};
        for (const auto* text :
             {"3153600000", "99999999999999999999999", "-1", "0", "", "soon", "1e9", "0x10", " 5", "5;6",
              "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 31 Dec 9999 23:59:59 GMT",
              "Thu, 01 Jan 0001 00:00:00 GMT", "2026-01-31T12:00:00Z"}) {
            INFO(text);
            const auto before = ca.count("/order/1");
            ca.on("/order/1", [before, text, &ca](const scripted_ca::seen&) {
                const auto n = ca.count("/order/1") - before;
                // A refusal has a Retry-After, too.
                response answer{n == 2 ? 503 : 200, order_json(n < 4 ? "processing" : "ready")};
                answer.fields.set("Retry-After", text);
                return answer;
            });
            auto order = co_await client.wait_order(ca.url("/order/1"));
            CHECK(order.status == acme::order_status::ready);
            CHECK(ca.count("/order/1") - before == 4);
        }
    });
}

TEST_CASE("an order that is processing for ever, or an authorization pending for ever, ends at the bound") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto options = ca.options();
        options.wait_max = 50ms;
        options.poll_max = 5ms;
        acme::client client{private_key::generate(), ca.url("/account/1"), options};
        for (const auto* status : {"processing", "pending"}) {
            ca.json("/order/1", 200, order_json(status));
            auto thrown = co_await error_of(client.wait_order(ca.url("/order/1")));
            CHECK(thrown.code() == errc::timed_out);
            CHECK(contains(thrown.what(), "waiting for the CA to finish the order " + ca.url("/order/1")));
        }
        ca.json(
            "/authz/1", 200,
            R"({"status": "pending", "identifier": {"type": "dns", "value": "a.test"}, "challenges": []})");
        auto thrown = co_await error_of(client.wait_authorization(ca.url("/authz/1")));
        CHECK(thrown.code() == errc::timed_out);
        CHECK(contains(thrown.what(), "waiting for the CA to validate " + ca.url("/authz/1")));
    });
}

TEST_CASE("an answer that is no end or no HTTP ends every step, which says which it was") {
    struct raw_case {
        std::string first;
        std::string again;  ///< for ever
        errc code;
        std::string text;
    };
    const std::string head = "HTTP/1.1 200 OK\r\n";
    const std::vector<raw_case> cases{
        {"", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", errc::http_malformed, "interim answers"},
        {"", "HTTP/1.1 100 Continue\r\n\r\n", errc::http_malformed, "interim answers"},
        {head, "A: b\r\n", errc::body_too_large, "head that is too large"},
        {head + "A: ", std::string(1'000, 'x'), errc::body_too_large, "head that is too large"},
        {"HTTP/1.1 200 ", std::string(1'000, 'x'), errc::body_too_large, "head that is too large"},
        {"\r\n", "\r\n", errc::http_malformed, "cannot be read"},
        {"", "{\"status\": \"valid\"}", errc::body_too_large, "head that is too large"},
        {"HTTP/0.9 200 OK\r\n\r\n", "x", errc::http_malformed, "cannot be read"},
        {head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "x", errc::http_malformed, "cannot be read"},
        {head + "Content-Length: -1\r\n\r\n", "x", errc::http_malformed, "cannot be read"}};
    const std::vector<raw_case> bodies{
        {head + "\r\n", std::string(4'000, ' '), errc::body_too_large, "is larger than 20000 bytes"},
        {head + "Content-Length: 99999999999\r\n\r\n", "x", errc::body_too_large, "is larger than 20000 bytes"},
        {head + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", errc::body_too_large, "is larger than 20000 bytes"},
        {head + "Transfer-Encoding: chunked\r\n\r\n", "0", errc::http_malformed, "cannot be read"},
        {head + "Transfer-Encoding: gzip\r\n\r\n", "x", errc::http_malformed, "cannot be read"}};
    with_ca([&](scripted_ca& ca) -> asio::awaitable<void> {
        ca.offer_renewal_info();
        for (auto& step : all_steps()) {
            // One way to ask is enough for the rest: a signed one, a GET, and a HEAD, whose answer has no body.
            std::vector<raw_case> all{bodies[0]};
            if (step.name == "order" || step.name == "renewalInfo") {
                all = bodies;
                all.insert(all.end(), cases.begin(), cases.end());
            } else if (step.name == "newNonce") {
                all = cases;
            }
            for (auto& one : all) {
                INFO(step.name << ": " << one.first << one.again.substr(0, 80));
                auto options = ca.options();
                options.http.body_max = 20'000;
                acme::client client{private_key::generate(), ca.url("/account/1"), options};
                ca.gives_nonces = step.name != "newNonce";
                ca.raw[step.path] = {one.first, one.again};
                auto thrown = co_await error_of(step.take(client, ca));
                ca.raw.clear();
                CHECK(thrown.code() == one.code);
                CHECK(contains(thrown.what(), step.name + ": "));
                CHECK(contains(thrown.what(), one.text));
                CHECK(is_printable(thrown.what()));
            }
        }
    });
}
