// What evercert inherits from Go's rsc.io/letsencrypt, row by row: kept, and mended where it fell short. Each test has
// the name that the thing had there.

#include <algorithm>
#include <filesystem>

#include <evercert/file_store.hpp>

#include "catch.hpp"
#include "local_site.hpp"
#include "manager/state.hpp"
#include "manager_fixture.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

std::error_code code_of(test::local_site& site, asio::awaitable<certificate_ptr> work) {
    return site.run(test::failure_of(std::move(work)));
}
client_hello asks(std::string name) { return client_hello{std::move(name), {}}; }

std::string location_of(
    const manager& by, const std::string& method, const std::string& host, const std::string& path) {
    request asked{method, path};
    asked.host = host;
    const auto answer = by.redirect_http(asked);
    return std::to_string(answer.status) + " " + std::string{answer.fields.get("Location")};
}

/// The account as the CA has it, which the manager's key finds.
acme::account account_at_ca(test::local_site& site) {
    const auto url = site.ca->directory_url();
    acme::client_options options;
    options.directory_url = url;
    options.http.ca_file = site.ca->api_root_file();
    acme::client asks{read_account(read_document(site.manager->marshal()).at(account_key(url))).key, options};
    return site.run(asks.only_return_existing());
}

}  // namespace

TEST_CASE("seed: zero Manager: it registers without a name and agrees to the terms at first need") {
    const manager_options zero;
    CHECK(zero.directory_url == acme::lets_encrypt);
    test::local_site site{[&](manager_options& options) {
        options.email = zero.email;
        options.terms_prompt = zero.terms_prompt;
        options.account_key = zero.account_key;
    }};
    site.start();
    CHECK_FALSE(site.manager->registered());
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
    CHECK(site.manager->registered());
    CHECK(account_at_ca(site).contact.empty());
    // Who does not agree gets no account at this CA.
    acme::client_options options;
    options.directory_url = site.ca->directory_url();
    options.http.ca_file = site.ca->api_root_file();
    acme::client disagrees{private_key::generate(), options};
    std::vector<std::string> nobody;
    CHECK_THROWS_AS(site.run(disagrees.new_account(std::move(nobody), false)), error);
}

TEST_CASE("seed: zero Manager: what registration failed with reaches whoever asked") {
    test::local_site site;
    site.start();
    site.ca->fail_next("newAccount", 403, "unauthorized", "not today");
    CHECK_THROWS_WITH(site.run(site.manager->cert("a.test")), Catch::Matchers::ContainsSubstring("not today"));
}

TEST_CASE("seed: Register: the prompt gets the terms, a refusal changes nothing, a second time says so") {
    std::vector<std::string> shown;
    bool agree = false;
    test::local_site site{[&](manager_options& options) {
        options.terms_prompt = [&](std::string_view url) {
            shown.emplace_back(url);
            return agree;
        };
    }};
    site.start();
    const auto before = site.manager->marshal();
    CHECK_THROWS_WITH(
        site.run(site.manager->register_account("ops@a.test")),
        Catch::Matchers::ContainsSubstring("did not agree to the terms"));
    CHECK(shown == std::vector<std::string>{"https://ca.test/terms"});
    CHECK(site.manager->marshal() == before);
    agree = true;
    site.run(site.manager->register_account("ops@a.test"));
    CHECK_THAT(site.manager->marshal(), Catch::Matchers::ContainsSubstring("ops@a.test"));
    CHECK(account_at_ca(site).contact == std::vector<std::string>{"mailto:ops@a.test"});
    CHECK_THROWS_WITH(
        site.run(site.manager->register_account("ops@a.test")),
        Catch::Matchers::ContainsSubstring("already registered"));
}

TEST_CASE("seed: Registered: true once the CA has the account, after a restart too") {
    test::temporary_folder folder;
    test::local_site site{[&](manager_options& options) { options.store = file_store(folder / "store"); }};
    CHECK_FALSE(site.manager->registered());
    site.run(site.manager->register_account(""));
    CHECK(site.manager->registered());
    // Another manager on the same folder, as after a restart.
    auto options = site.options;
    options.store = file_store(folder / "store");
    manager again{site.io, std::move(options)};
    auto events = again.events();
    test::started<void> running{site.io.get_executor(), again.run()};
    auto read = [&]() -> asio::awaitable<void> {
        while (!again.registered())
            co_await test::yield();
    };
    site.run(read());
    CHECK(again.registered());
    again.stop();
    site.run(running.join());
    CHECK(site.ca->count("newAccount") == 1);
}

TEST_CASE("seed: Cert: it lower-cases, and a caller can leave") {
    test::local_site site{{}, [](auto& ca) { ca.validation_delay = 200ms; }};
    site.start();
    test::started<certificate_ptr> leaves{site.io.get_executor(), site.manager->cert("A.Test")};
    auto placed = [&]() -> asio::awaitable<void> {
        while (site.ca->count("newOrder") == 0)
            co_await test::yield();
    };
    site.run(placed());
    leaves.cancel();
    CHECK_THROWS(site.run(leaves.join()));
    const auto got = site.run(site.manager->cert("a.TEST."));
    CHECK(got->covers("a.test"));
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE("seed: Cert: hosts that have their certificate do not wait while the CA works for others") {
    test::local_site site;
    site.start();
    site.run(site.manager->cert("a.test"));
    site.ca->fail_next("newOrder", 503, "serverInternal");
    test::started<certificate_ptr> other{site.io.get_executor(), site.manager->cert("b.test")};
    CHECK(site.run(site.manager->get_certificate(asks("a.test"))));
    CHECK_FALSE(other.ended());
    CHECK_THROWS(site.run(other.join()));
}

TEST_CASE("seed: GetCertificate: what is no host name is refused, and costs no token") {
    test::local_site site{[](manager_options& options) { options.orders = {1h, 1}; }};
    site.start();
    for (const auto* name : {"", "192.0.2.1", "[2001:db8::1]", "localhost", "*.a.test", "a b.test", "../a.test"})
        CHECK(code_of(site, site.manager->get_certificate(asks(name))));
    CHECK(site.ca->count("newOrder") == 0);
    CHECK(site.run(site.manager->get_certificate(asks("a.test.")))->covers("a.test"));
}

TEST_CASE("seed: challenge: the proof goes over the TLS port, or over port 80") {
    const auto type = GENERATE(challenge_type::tls_alpn_01, challenge_type::http_01);
    test::local_site site{[&](manager_options& options) { options.challenges = {type}; }};
    site.start();
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
}

TEST_CASE("seed: demand loading: later handshakes wait for the first one's order") {
    test::local_site site{{}, [](auto& ca) { ca.validation_delay = 50ms; }};
    site.start();
    std::vector<std::unique_ptr<test::started<certificate_ptr>>> asking;
    for (int i = 0; i < 20; ++i)
        asking.push_back(std::make_unique<test::started<certificate_ptr>>(
            site.io.get_executor(), site.manager->get_certificate(asks("a.test"))));
    for (auto& one : asking)
        CHECK(site.run(one->join())->covers("a.test"));
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE("seed: rate limiter: 1 order a minute with a burst of 20, and a failed one pays like any other") {
    test::simulated_site site{[](manager_options& options) { options.order_ceiling = {}; }};
    site.start();
    site.ca->validation_ports(1, 1);  // nobody answers
    int bogus = 0;
    const auto ask = [&](int times) {
        for (int i = 0; i < times; ++i)
            CHECK_FALSE(site.ask("bogus" + std::to_string(bogus++) + ".test"));
        return site.ca->count("newOrder");
    };
    // Each name is tried by two challenges, in an order each; and the new hosts have 20 tokens as well.
    CHECK(ask(10) == 20);
    site.manager->set_hosts({"listed.test"});
    const auto listed = [&] {
        const auto failed = site.run(test::failure_of(site.manager->get_certificate(asks("listed.test"))));
        return failed ? site.ca->count("newOrder") : -1;
    };
    site.pass(1min - 40s);
    CHECK(listed() == 20);
    site.pass(40s);
    site.manager->forget_failures("listed.test");
    CHECK(listed() == 21);
    site.pass(1s);
    site.manager->forget_failures("listed.test");
    CHECK(listed() == 21);
}

TEST_CASE("seed: new-host limiter: 1 new host in 3 hours with a burst of 20, kept across restarts") {
    test::simulated_site site{[](manager_options& options) {
        options.orders = {0s, 1};
        options.order_ceiling = {};
        options.store = nullptr;
    }};
    site.before_start = [&](manager& made) { made.cache_file(site.folder.file("cache")); };
    site.restart();
    const auto obtained = [&](const std::string& name) { return site.ask(name) != nullptr; };
    for (int i = 0; i < 20; ++i)
        REQUIRE(obtained("h" + std::to_string(i) + ".test"));
    CHECK_FALSE(obtained("h20.test"));
    CHECK(site.refusal == errc::rate_limited);
    site.restart();
    CHECK_FALSE(obtained("h21.test"));
    CHECK(site.refusal == errc::rate_limited);
    site.pass(3h - 1min);
    CHECK_FALSE(obtained("h21.test"));
    site.pass(1min);
    CHECK(obtained("h21.test"));
    CHECK_FALSE(obtained("h22.test"));
    site.manager->set_hosts({"h22.test"});
    CHECK(obtained("h22.test"));
}

TEST_CASE("seed: SetHosts: a list is these alone, an empty one is none, any is said, case does not matter") {
    test::local_site site;
    site.start();
    site.manager->set_hosts({"A.test"});
    CHECK(site.run(site.manager->get_certificate(asks("a.TEST"))));
    CHECK(code_of(site, site.manager->get_certificate(asks("b.test"))) == errc::name_not_allowed);
    CHECK(code_of(site, site.manager->cert("b.test")) == errc::name_not_allowed);
    site.manager->set_hosts({});
    CHECK(code_of(site, site.manager->get_certificate(asks("b.test"))) == errc::name_not_allowed);
    site.manager->allow_any_host();
    CHECK(site.run(site.manager->get_certificate(asks("b.test"))));
}

TEST_CASE("seed: renewal: a timer renews, without any handshake") {
    test::local_site site{{}, [](auto& ca) { ca.lifetime = 4s; }};
    site.start();
    const auto first = site.run(site.manager->cert("a.test"));
    auto renewed = [&]() -> asio::awaitable<void> {
        while (site.manager->find("a.test") == first)
            co_await site.manager->watch().receive();
    };
    site.run(renewed());
    CHECK(site.manager->find("a.test")->not_after() > first->not_after());
}

TEST_CASE("seed: CacheFile: mode 0600, empty is fresh, the generation before is kept") {
    test::temporary_folder folder;
    const auto path = folder / "cache";
    test::write_file(path, "");
    {
        test::local_site site;
        site.manager->cache_file(path);
        site.start();
        site.run(site.manager->cert("a.test"));
        site.run(site.manager->cert("b.test"));
    }
    CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms{0600});
    CHECK_THAT(test::read_file(path), Catch::Matchers::ContainsSubstring("certificates/b.test"));
    CHECK(std::filesystem::exists(path + ".previous"));
}

TEST_CASE("seed: CacheFile: damage is an error that says where and what, and nothing is lost") {
    const test::temporary_folder folder;
    const auto path = folder / "cache";
    const auto whole = test::state_with({"a.test"});
    const auto line = std::to_string(1 + std::count(whole.begin(), whole.begin() + 300, '\n'));
    auto items = read_document(whole);
    items["certificates/a.test"]["chain"] = "nonsense";
    const auto [damaged, where, what] = GENERATE_REF(table<std::string, std::string, std::string>(
        {{whole.substr(0, 300), "line " + line, "not JSON"},
         {std::string{whole}.insert(300, 1, '\n'), "line " + line, "not JSON"},
         {whole + "more", "line " + std::to_string(1 + std::count(whole.begin(), whole.end(), '\n')),
          "more after its end"},
         {"{\"evercert\": 1, \"items\": {\"hosts\": 1}}", "\"hosts\"", "not an object"},
         {write_document(items), "certificates/a.test", "no certificate"}}));
    CAPTURE(damaged.size(), where, what);
    test::write_file(path, damaged);
    test::write_file(path + ".previous", whole);
    test::closed_manager f;
    f.manager->unmarshal(test::state_with({"mine.test"}));
    using Catch::Matchers::ContainsSubstring;
    CHECK_THROWS_WITH(
        f.manager->cache_file(path),
        ContainsSubstring(path + ": ") && ContainsSubstring(where) && ContainsSubstring(what) &&
            ContainsSubstring(path + ".previous"));
    // What the manager had it has, and what it saves from now on goes elsewhere.
    CHECK(f.manager->find("mine.test"));
    CHECK_FALSE(f.manager->find("a.test"));
    f.manager->set_hosts({"mine.test"});
    f.io.restart();
    f.io.run_for(50ms);
    CHECK(test::read_file(path) == damaged);
    CHECK(test::read_file(path + ".previous") == whole);
    f.manager->cache_file(path + ".previous");
    CHECK(f.manager->find("a.test"));
}

TEST_CASE("seed: Marshal and Unmarshal: the whole state, and what was there before is gone") {
    test::local_site site;
    site.start();
    site.run(site.manager->cert("a.test"));
    const auto text = site.manager->marshal();
    test::closed_manager other;
    other.manager->unmarshal(test::state_with({"old.test"}));
    other.manager->unmarshal(text);
    CHECK(other.manager->find("a.test"));
    CHECK_FALSE(other.manager->find("old.test"));
    const auto half = text.substr(0, text.size() / 2);
    CHECK_THROWS_WITH(other.manager->unmarshal(half), Catch::Matchers::ContainsSubstring("line"));
    CHECK(other.manager->find("a.test"));
}

TEST_CASE("seed: Watch: the pattern of its documentation saves each state, the first one too") {
    // for range m.Watch() { saveState(m.Marshal()) }
    test::local_site site;
    site.start();
    std::vector<std::string> saved;
    auto save_each = [&]() -> asio::awaitable<void> {
        for (;;) {
            co_await site.manager->watch().receive();
            saved.push_back(site.manager->marshal());
        }
    };
    test::started<void> saving{site.io.get_executor(), save_each()};
    site.run(test::yield(3));
    CHECK(saved.size() == 1);
    site.run(site.manager->cert("a.test"));
    site.run(test::yield(10));
    REQUIRE(saved.size() > 1);
    CHECK_THAT(saved.back(), Catch::Matchers::ContainsSubstring("certificates/a.test"));
    site.manager->stop();
    CHECK_THROWS_AS(site.run(saving.join()), error);
}

TEST_CASE("seed: Watch: many changes are one notification for a slow watcher, and two receivers share them") {
    test::local_site site;
    auto& watch = site.manager->watch();
    CHECK(&watch == &site.manager->watch());
    CHECK(watch.try_receive());
    for (int i = 0; i < 1000; ++i)
        site.manager->set_hosts({"a.test"});
    site.run(test::yield(10));
    CHECK(watch.try_receive());
    CHECK_FALSE(watch.try_receive());
    test::started<void> one{site.io.get_executor(), watch.receive()};
    test::started<void> two{site.io.get_executor(), watch.receive()};
    site.run(test::yield());
    site.manager->allow_any_host();
    site.run(test::yield(10));
    CHECK(one.ended() != two.ended());
}

TEST_CASE("seed: Serve: port 80 redirects, the TLS port serves, and only an error ends it") {
    test::local_site site;
    site.start();
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
    CHECK_FALSE(site.serving->ended());
    manager_options taken = site.options;
    taken.server.https_port = site.https_port();
    manager second{site.io, std::move(taken)};
    CHECK_THROWS_WITH(site.run(second.serve()), Catch::Matchers::ContainsSubstring(std::to_string(site.https_port())));
}

TEST_CASE("seed: ServeHTTPS: the TLS port alone") {
    test::local_site site;
    test::started<void> serving{site.io.get_executor(), site.manager->serve_https()};
    site.run(site.manager->listening());
    CHECK(site.manager->http_endpoints().empty());
    site.ca->validation_ports(1, site.https_port());
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
    site.manager->stop();
    site.run(serving.join());
}

TEST_CASE("seed: RedirectHTTP: to the same URL without a port, 308 for what is not safe, 400 without a host") {
    test::closed_manager f;
    CHECK(location_of(*f.manager, "GET", "a.test", "/x?y=z") == "302 https://a.test/x?y=z");
    CHECK(location_of(*f.manager, "HEAD", "a.test", "/") == "302 https://a.test/");
    CHECK(location_of(*f.manager, "POST", "a.test", "/form") == "308 https://a.test/form");
    CHECK(location_of(*f.manager, "GET", "", "/") == "400 ");
}
