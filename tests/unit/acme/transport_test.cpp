#include <boost/json.hpp>

#include "catch.hpp"
#include "crypto/jws.hpp"
#include "crypto/public_key.hpp"
#include "scripted_ca.hpp"

using namespace evercert;
using test::client_of;
using test::contains;
using test::error_of;
using test::scripted_ca;
using test::with_ca;

namespace {

const std::string order_json = R"({"status": "pending", "identifiers": [{"type": "dns", "value": "a.test"}],
    "authorizations": ["https://ca.test/authz/1"], "finalize": "https://ca.test/finalize/1"})";

std::string nonce_of(const scripted_ca::seen& request) { return std::string{request.header.at("nonce").as_string()}; }

}  // namespace

TEST_CASE("a request is a JWS with nonce, URL and the account, signed by its key") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.json("/order/1", 200, order_json);
        auto client = client_of(ca);
        co_await client.order(ca.url("/order/1"));
        auto& request = ca.requests.back();
        CHECK(request.method == "POST");
        CHECK(request.fields.get("Content-Type") == "application/jose+json");
        CHECK(contains(std::string{request.fields.get("User-Agent")}, "evercert/"));
        CHECK(request.payload.empty());
        CHECK(request.header.size() == 4);
        CHECK(request.header.at("alg") == "ES256");
        CHECK(request.header.at("url") == boost::json::string{ca.url("/order/1")});
        CHECK(request.header.at("kid") == boost::json::string{ca.url("/account/1")});
        auto jws = boost::json::parse(request.body).as_object();
        auto input = std::string{jws.at("protected").as_string()} + "." + std::string{jws.at("payload").as_string()};
        auto signature = base64url_decode(std::string{jws.at("signature").as_string()});
        REQUIRE(signature);
        CHECK(public_key{client.account_key()}.verify("ES256", input, *signature));
    });
}

TEST_CASE("a new account is asked for with the key itself") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        acme::client client{private_key::generate(), ca.options()};
        const std::vector<std::string> contact{"mailto:ops@a.test"};
        auto account = co_await client.new_account(contact, true);
        CHECK(account.url == ca.url("/account/1"));
        CHECK(client.account_url() == account.url);
        auto& request = ca.requests.back();
        CHECK(request.header.at("jwk") == to_jwk(client.account_key()));
        CHECK_FALSE(request.header.contains("kid"));
        CHECK(
            boost::json::parse(request.payload) ==
            boost::json::parse(R"({"termsOfServiceAgreed": true, "contact": ["mailto:ops@a.test"]})"));
    });
}

TEST_CASE("a badNonce reply is retried with the nonce it carried") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.on("/order/1", [&](const scripted_ca::seen& request) {
            if (nonce_of(request) == "fresh") {
                response accepted{200, order_json};
                return accepted;
            }
            auto refused = test::problem(400, "badNonce");
            refused.fields.set("Replay-Nonce", "fresh");
            return refused;
        });
        auto client = client_of(ca);
        auto order = co_await client.order(ca.url("/order/1"));
        CHECK(order.finalize == "https://ca.test/finalize/1");
        CHECK(ca.count("/order/1") == 2);
        CHECK(ca.count("/nonce") == 0);  // the directory's answer had one
    });
}

TEST_CASE("badNonce is retried so often and no more") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.on("/order/1", test::problem(400, "badNonce"));
        auto options = ca.options();
        options.bad_nonce_retries_max = 3;
        acme::client client{private_key::generate(), ca.url("/account/1"), options};
        auto thrown = co_await error_of(client.order(ca.url("/order/1")));
        REQUIRE(thrown.problem());
        CHECK(thrown.problem()->is("badNonce"));
        CHECK(ca.count("/order/1") == 4);
    });
}

TEST_CASE("steps at the same time never share a nonce, even at a CA that refuses half of them") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.on("/order/1", [n = 0](const scripted_ca::seen&) mutable {
            return ++n % 2 ? test::problem(400, "badNonce") : response{200, order_json};
        });
        auto client = client_of(ca);
        auto executor = co_await asio::this_coro::executor;
        std::vector<test::started<acme::order>> steps;
        for (int i = 0; i < 10; ++i)
            steps.emplace_back(executor, client.order(ca.url("/order/1")));
        for (auto& step : steps)
            co_await step.join();
        std::set<std::string> nonces;
        for (auto& request : ca.requests)
            if (request.method == "POST")
                CHECK(nonces.insert(nonce_of(request)).second);
        CHECK(nonces.size() == 20);
        CHECK(ca.count("/dir") == 1);
    });
}

TEST_CASE("errors bring nonces too") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.on("/order/1", test::problem(403, "unauthorized"));
        auto client = client_of(ca);
        for (int i = 0; i < 3; ++i)
            co_await error_of(client.order(ca.url("/order/1")));
        CHECK(ca.count("/nonce") == 0);
        CHECK(nonce_of(ca.requests.at(2)) != nonce_of(ca.requests.at(3)));
    });
}

TEST_CASE("a nonce is asked for where there is none, and one that is not base64url is none") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.gives_nonces = false;
        response fresh{200};
        fresh.fields.set("Replay-Nonce", "fresh");
        ca.on("/nonce", fresh);
        response strange{200, order_json};
        strange.fields.set("Replay-Nonce", "a+b=");
        ca.on("/order/1", strange);
        auto client = client_of(ca);
        co_await client.order(ca.url("/order/1"));
        co_await client.order(ca.url("/order/1"));
        CHECK(ca.count("/nonce") == 2);
        CHECK(nonce_of(ca.requests.back()) == "fresh");
    });
}

TEST_CASE("a CA that gives no nonce is told apart from one that fails") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.gives_nonces = false;
        auto client = client_of(ca);
        auto thrown = co_await error_of(client.new_nonce());
        CHECK(thrown.code() == errc::acme_malformed);
        CHECK(contains(thrown.what(), "has no valid Replay-Nonce"));
        ca.on("/nonce", response{503});
        thrown = co_await error_of(client.new_nonce());
        CHECK(thrown.code() == errc::http_status);
        CHECK(contains(thrown.what(), "newNonce"));
    });
}

TEST_CASE("the directory is fetched once for all who ask at the same time, and kept") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto client = client_of(ca);
        auto executor = co_await asio::this_coro::executor;
        std::vector<test::started<acme::directory>> callers;
        for (int i = 0; i < 5; ++i)
            callers.emplace_back(executor, client.directory());
        for (auto& caller : callers) {
            auto directory = co_await caller.join();
            CHECK(directory.new_order == ca.url("/new-order"));
        }
        co_await client.directory();
        CHECK(ca.count("/dir") == 1);
    });
}

TEST_CASE("a directory that failed fails for all who asked at the same time, and is fetched again for the next") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.on("/dir", response{500});
        auto client = client_of(ca);
        auto executor = co_await asio::this_coro::executor;
        test::started<acme::directory> first{executor, client.directory()};
        test::started<acme::directory> second{executor, client.directory()};
        auto thrown = co_await error_of(first.join());
        CHECK(thrown.code() == errc::http_status);
        thrown = co_await error_of(second.join());
        CHECK(thrown.code() == errc::http_status);
        CHECK(ca.count("/dir") == 1);
        ca.usual();
        co_await client.directory();
        CHECK(ca.count("/dir") == 2);
    });
}

TEST_CASE("a caller who is cancelled hands the directory on to the next") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.held.insert("/dir");
        auto client = client_of(ca);
        auto executor = co_await asio::this_coro::executor;
        test::started<acme::directory> first{executor, client.directory()};
        test::started<acme::directory> second{executor, client.directory()};
        while (ca.count("/dir") == 0)
            co_await test::yield();
        ca.held.clear();
        first.cancel();
        auto directory = co_await second.join();
        CHECK(directory.new_nonce == ca.url("/nonce"));
        CHECK(ca.count("/dir") == 2);
        auto ended = co_await as_outcome(first.join());
        CHECK(ended.thrown);
    });
}

TEST_CASE("the directory follows three redirects, to https alone") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto redirect = [&](const std::string& path, const std::string& to) {
            response moved{302};
            moved.fields.set("Location", to);
            ca.on(path, moved);
        };
        redirect("/a", ca.url("/b"));
        redirect("/b", ca.url("/c"));
        redirect("/c", ca.url("/dir"));
        redirect("/too-many", ca.url("/a"));
        redirect("/plain", "http://ca.test/dir");
        redirect("/relative", "/dir");
        auto options = ca.options();
        options.directory_url = ca.url("/a");
        acme::client client{private_key::generate(), options};
        auto directory = co_await client.directory();
        CHECK(directory.new_nonce == ca.url("/nonce"));
        const std::vector<std::string> wrong{"/too-many", "/plain", "/relative"};
        for (auto& path : wrong) {
            INFO(path);
            options.directory_url = ca.url(path);
            acme::client lost{private_key::generate(), options};
            auto thrown = co_await error_of(lost.directory());
            CHECK(thrown.code() == errc::http_status);
            CHECK(contains(thrown.what(), "check the directory's URL"));
        }
    });
}

TEST_CASE("a signed request follows no redirect") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        response moved{307};
        moved.fields.set("Location", ca.url("/order/2"));
        ca.on("/order/1", moved);
        auto client = client_of(ca);
        auto thrown = co_await error_of(client.order(ca.url("/order/1")));
        CHECK(thrown.code() == errc::http_status);
        CHECK(contains(thrown.what(), "redirects order to"));
        CHECK(ca.count("/order/2") == 0);
    });
}

TEST_CASE("a read whose connection was lost is repeated once, with another nonce; a write is not") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto drop = [&](int times) {
            ca.on("/order/1", [&ca, times](const scripted_ca::seen&) mutable {
                if (times-- > 0)
                    ca.drop_connections();
                return response{200, order_json};
            });
        };
        auto client = client_of(ca);
        drop(1);
        co_await client.order(ca.url("/order/1"));
        CHECK(ca.count("/order/1") == 2);
        drop(2);
        auto thrown = co_await error_of(client.order(ca.url("/order/1")));
        CHECK(thrown.code() == errc::connection_closed);
        CHECK(ca.count("/order/1") == 4);
        drop(1);
        thrown = co_await error_of(client.challenge_ready(ca.url("/order/1")));
        CHECK(thrown.code() == errc::connection_closed);
        CHECK(ca.count("/order/1") == 5);
    });
}

TEST_CASE("a step that is cancelled ends at once and leaves the client usable") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.held.insert("/order/1");
        ca.json("/order/1", 200, order_json);
        auto client = client_of(ca);
        auto executor = co_await asio::this_coro::executor;
        test::started<acme::order> step{executor, client.order(ca.url("/order/1"))};
        while (ca.count("/order/1") == 0)
            co_await test::yield();
        step.cancel();
        auto ended = co_await as_outcome(step.join());
        REQUIRE(ended.thrown);
        std::error_code code;
        try {
            std::rethrow_exception(ended.thrown);
        } catch (const std::system_error& thrown) {
            code = thrown.code();
        }
        CHECK(code == asio::error::operation_aborted);
        ca.held.clear();
        co_await client.order(ca.url("/order/1"));
        CHECK(ca.count("/order/1") == 2);
    });
}

TEST_CASE("a step logs what it asked at debug, and no signature") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        ca.json("/order/1", 200, order_json);
        std::string lines;
        auto options = ca.options();
        options.log.level = log_level::debug;
        options.log.sink = [&](log_level, std::string_view line) { (lines += line) += '\n'; };
        acme::client client{private_key::generate(), ca.url("/account/1"), options};
        co_await client.order(ca.url("/order/1"));
        CHECK(contains(lines, "acme: order " + ca.url("/order/1") + ": HTTP 200"));
        auto jws = boost::json::parse(ca.requests.back().body).as_object();
        CHECK_FALSE(contains(lines, std::string{jws.at("signature").as_string()}));
    });
}

TEST_CASE("the CA's clock is the Date of its last answer") {
    with_ca([](scripted_ca& ca) -> asio::awaitable<void> {
        auto client = client_of(ca);
        CHECK_FALSE(client.date());
        co_await client.directory();
        REQUIRE(client.date());
        auto difference = std::chrono::abs(client.date()->date - client.date()->wall);
        CHECK(difference < std::chrono::minutes{1});
    });
}

TEST_CASE("a client with options out of range is not made") {
    auto refuses = [](auto change) {
        acme::client_options options;
        change(options);
        try {
            acme::client client{private_key::generate(), options};
        } catch (const error& thrown) {
            return thrown.code() == errc::invalid_options;
        }
        return false;
    };
    using namespace std::chrono_literals;
    CHECK(refuses([](auto& options) { options.directory_url = "http://ca.test/dir"; }));
    CHECK(refuses([](auto& options) { options.directory_url = ""; }));
    CHECK(refuses([](auto& options) { options.clock = nullptr; }));
    CHECK(refuses([](auto& options) { options.bad_nonce_retries_max = -1; }));
    CHECK(refuses([](auto& options) { options.nonces_max = 0; }));
    CHECK(refuses([](auto& options) { options.poll_first = 0ms; }));
    CHECK(refuses([](auto& options) { options.poll_max = 5ms; }));
    CHECK(refuses([](auto& options) { options.retry_after_max = 5ms; }));
    CHECK(refuses([](auto& options) { options.wait_max = 0ms; }));
}
