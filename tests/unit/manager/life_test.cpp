#include <cstdlib>
#include <filesystem>

#include "base/event.hpp"
#include "base/outcome.hpp"
#include "base/worker.hpp"
#include "catch.hpp"
#include "descriptors.hpp"
#include "local_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

/// A folder for temporary files that no other process uses.
class own_temporary_folder {
public:
    own_temporary_folder() {
        if (const char* before = std::getenv("TMPDIR"))
            before_ = before;
        ::setenv("TMPDIR", folder_.path().c_str(), 1);
    }
    ~own_temporary_folder() {
        if (before_)
            ::setenv("TMPDIR", before_->c_str(), 1);
        else
            ::unsetenv("TMPDIR");
    }
    bool empty() const { return std::filesystem::is_empty(folder_.path()); }

private:
    test::temporary_folder folder_;
    std::optional<std::string> before_;
};

errc code_of(std::exception_ptr thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const error& e) {
        return static_cast<errc>(e.code().value());
    } catch (...) {
        return {};
    }
}

template <typename T>
std::exception_ptr thrown_by(test::local_site& site, asio::awaitable<T> work) {
    try {
        site.run(std::move(work));
    } catch (...) {
        return std::current_exception();
    }
    return nullptr;
}

/// One whole life: start, the first handshake with its order, saving, stop; but stopped at the nth line that it
/// logs. False if it ended before.
bool live_until_line(int n) {
    test::local_site site;
    site.manager->cache_file(site.folder / "cache");
    int lines = 0;
    site.on_line = [&](std::string_view) {
        if (++lines == n)
            site.manager->stop();
    };
    try {
        site.start();
        const auto body = site.run(site.get("a.test"));
        CHECK(body == "hello from a.test");
    } catch (const std::exception&) {
        CHECK(lines >= n);  // nothing else may fail
    }
    site.stop();
    return lines >= n;
}

}  // namespace

TEST_CASE("stop() at every step of a certificate's life leaves no descriptor and no file") {
    const own_temporary_folder temporary;
    live_until_line(1'000'000);  // what is made once in a process
    const auto descriptors = test::open_descriptors();
    int n = 1;
    for (; live_until_line(n); ++n) {
        CAPTURE(n);
        CHECK(test::open_descriptors() == descriptors);
        CHECK(temporary.empty());
    }
    CHECK(n > 15);  // the steps of an order are among them
}

TEST_CASE("a caller of cert() that is cancelled leaves, and the order goes on") {
    test::local_site site;
    site.start();
    int placed = 0;
    test::started<certificate_ptr> asked{site.io.get_executor(), site.manager->cert("a.test")};
    site.on_line = [&](std::string_view line) {
        if (line.starts_with("order for") && ++placed == 1)
            asked.cancel();
    };
    CHECK(site.run(site.manager->cert("a.test"))->covers("a.test"));
    CHECK(asked.ended());
    CHECK_THROWS_AS(asked.take(), std::system_error);
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE("a handshake waits no longer than its limit, and the order goes on without it") {
    test::local_site site{
        [](auto& options) { options.handshake_wait = 100ms; }, [](auto& ca) { ca.validation_delay = 500ms; }};
    site.start();
    CHECK(thrown_by(site, site.get("a.test")));
    CHECK(site.run(site.manager->cert("a.test"))->covers("a.test"));
    CHECK(site.ca->count("newOrder") == 1);
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
}

TEST_CASE("handshakes that wait for one name are bounded: those beyond are refused at once") {
    test::local_site site{
        [](auto& options) { options.waiters_per_name_max = 2; }, [](auto& ca) { ca.validation_delay = 500ms; }};
    site.start();
    std::vector<std::unique_ptr<test::started<certificate_ptr>>> callers;
    for (int i = 0; i < 5; ++i)
        callers.push_back(
            std::make_unique<test::started<certificate_ptr>>(site.io.get_executor(), site.manager->cert("a.test")));
    int served = 0, refused = 0;
    auto all = [&]() -> asio::awaitable<void> {
        for (auto& one : callers) {
            const auto result = co_await as_outcome(one->join());
            served += !result.thrown;
            refused += result.thrown && code_of(result.thrown) == errc::too_many_waiters;
        }
    };
    site.run(all());
    CHECK(served == 2);
    CHECK(refused == 3);
}

TEST_CASE("a challenge that fails is followed by the other one, in an order of its own") {
    // No server on the port of tls-alpn-01: http-01 is left.
    test::local_site site;
    site.start();
    site.ca->validation_ports(site.manager->http_endpoints().at(0).port, 1);
    CHECK(site.run(site.manager->cert("a.test"))->covers("a.test"));
    CHECK(site.ca->count("newOrder") == 2);
    CHECK(site.ca->count("challenge") == 2);
}

TEST_CASE("when every challenge fails the error says what the CA saw, and no more orders follow") {
    test::local_site site;
    site.start();
    site.ca->validation_ports(1, 1);
    const auto thrown = thrown_by(site, site.manager->cert("a.test"));
    REQUIRE(thrown);
    CHECK(code_of(thrown) == errc::authorization_invalid);
    CHECK(site.ca->count("newOrder") == 2);
}

TEST_CASE("a certificate is renewed in time, and the server changes to it") {
    test::local_site site{{}, [](auto& ca) { ca.lifetime = 4s; }};
    site.start();
    site.run(site.manager->cert("a.test"));
    const auto first = site.manager->find("a.test");
    auto renewed = [&]() -> asio::awaitable<void> {
        while (site.manager->find("a.test") == first)
            co_await site.manager->watch().receive();
    };
    site.run(renewed());
    CHECK(site.manager->find("a.test")->not_after() > first->not_after());
    CHECK(site.ca->certificates_issued() == 2);
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
}

TEST_CASE("a renewal that fails is retried, and the certificate at hand is served meanwhile") {
    test::local_site site{[](auto& options) { options.retry.server = {50ms, 1s}; }, [](auto& ca) { ca.lifetime = 6s; }};
    site.start();
    site.run(site.manager->cert("a.test"));
    const auto first = site.manager->find("a.test");
    site.ca->fail_next("newOrder", 503, "serverInternal", "come back later");
    auto renewed = [&]() -> asio::awaitable<void> {
        while (site.manager->find("a.test") == first)
            co_await site.manager->watch().receive();
    };
    site.run(renewed());
    CHECK(site.ca->count("newOrder") == 3);
}

TEST_CASE("a limit of the CA's refuses handshakes from memory for as long as it said") {
    test::local_site site;
    site.start();
    site.ca->fail_next("newOrder", 429, "rateLimited", "too many", "3600");
    const auto limited = thrown_by(site, site.manager->cert("a.test"));
    REQUIRE(limited);
    CHECK(code_of(limited) == errc::rate_limited);
    CHECK(thrown_by(site, site.get("a.test")));
    CHECK(thrown_by(site, site.get("a.test")));
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE("our own limit makes a handshake fail at once and an application's call wait") {
    test::local_site site{[](auto& options) { options.orders = {1h, 1}; }};
    site.start();
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
    CHECK(thrown_by(site, site.get("b.test")));
    test::started<certificate_ptr> waiting{site.io.get_executor(), site.manager->cert("c.test")};
    site.run(test::yield(100));
    CHECK_FALSE(waiting.ended());
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE("a name that nobody listed pays the new-host limit, one that a list admits does not") {
    test::local_site site{[](auto& options) { options.new_hosts = {1h, 1}; }};
    site.start();
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
    CHECK(thrown_by(site, site.get("b.test")));
    site.manager->set_hosts({"a.test", "c.test"});
    CHECK(site.run(site.get("c.test")) == "hello from c.test");
}

TEST_CASE("the limits survive a restart") {
    test::local_site site{[](auto& options) { options.orders = {1h, 1}; }};
    site.manager->cache_file(site.folder / "cache");
    site.start();
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
    site.manager->stop();
    site.run(site.serving->join());
    site.manager.emplace(site.io, site.options);
    site.manager->cache_file(site.folder / "cache");
    site.start();
    CHECK(thrown_by(site, site.get("b.test")));
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE("a terms prompt that refuses stops the registration, and nothing is changed") {
    std::string shown;
    bool agree = false;
    test::local_site site{[&](auto& options) {
        options.terms_prompt = [&](std::string_view url) {
            shown = url;
            return agree;
        };
    }};
    site.start();
    const auto before = site.manager->marshal();
    CHECK(code_of(thrown_by(site, site.manager->register_account("ops@a.test"))) == errc::terms_not_agreed);
    CHECK(shown == "https://ca.test/terms");
    CHECK_FALSE(site.manager->registered());
    CHECK(site.manager->marshal() == before);
    CHECK(site.ca->count("newAccount") == 0);
    agree = true;
    site.run(site.manager->register_account("ops@a.test"));
    CHECK(site.manager->registered());
    CHECK(code_of(thrown_by(site, site.manager->register_account("ops@a.test"))) == errc::already_registered);
}

TEST_CASE("a store that cannot save does not keep a certificate from being served") {
    test::local_site site;
    site.manager->cache_file(site.folder / "cache");
    std::filesystem::create_directory(site.folder / "cache");  // in the way of every rename
    site.start();
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
    std::filesystem::remove(site.folder / "cache");
    site.manager->stop();
    site.run(site.serving->join());
    CHECK(test::read_file(site.folder / "cache").find("certificates/a.test") != std::string::npos);
}

TEST_CASE("while a validation is in progress OpenSSL's client is shown the challenge certificate") {
    test::local_site site{
        [](auto& options) { options.challenges = {challenge_type::tls_alpn_01}; },
        [](auto& ca) { ca.validation_delay = 30s; }};
    site.start();
    event presented{site.io.get_executor()};
    bool is_presented = false;
    site.on_line = [&](std::string_view line) {
        is_presented = is_presented || line.starts_with("challenge for a.test");
        presented.notify_all();
    };
    test::started<certificate_ptr> asked{site.io.get_executor(), site.manager->cert("a.test")};
    worker outside;
    auto look = [&](std::string name) -> asio::awaitable<std::string> {
        while (!is_presented)
            co_await presented.wait();
        auto call = [port = site.https_port(), name] {
            return test::run_program(
                {"sh", "-c",
                 "openssl s_client -connect 127.0.0.1:" + std::to_string(port) + " -servername " + name +
                     " -alpn acme-tls/1 </dev/null 2>&1 | tee /dev/stderr | openssl x509 -noout -text 2>&1; true"});
        };
        co_return co_await outside.run(std::move(call));
    };
    const auto shown = site.run(look("a.test"));
    CHECK_THAT(shown, Catch::Matchers::ContainsSubstring("1.3.6.1.5.5.7.1.31: critical"));
    CHECK_THAT(shown, Catch::Matchers::ContainsSubstring("DNS:a.test"));
    CHECK_THAT(site.run(look("b.test")), !Catch::Matchers::ContainsSubstring("1.3.6.1.5.5.7.1.31"));
    asked.cancel();
}

TEST_CASE("stop() ends an order whose second attempt waits for our own limit") {
    test::local_site site{[](auto& options) { options.orders = {1h, 1}; }};
    site.start();
    site.ca->validation_ports(1, 1);
    bool again = false;
    site.on_line = [&](std::string_view line) {
        again = again || line.find("trying another one") != std::string::npos;
    };
    test::started<certificate_ptr> asked{site.io.get_executor(), site.manager->cert("a.test")};
    auto until_then = [&]() -> asio::awaitable<void> {
        while (!again)
            co_await system_clock()->sleep_for(1ms);
    };
    site.run(until_then());
    site.stop();
    REQUIRE(asked.ended());
    CHECK_THROWS_AS(asked.take(), error);
}

TEST_CASE("an io_context may go while the worker writes the cache file") {
    test::temporary_folder folder;
    for (int i = 0; i < 20; ++i) {
        asio::io_context io;
        manager short_lived{io};
        short_lived.cache_file(folder / "cache");
        short_lived.set_hosts({"a.test"});
        io.poll();
    }
    CHECK(test::read_file(folder / "cache").find("a.test") != std::string::npos);
}

TEST_CASE("a name that was not admitted when its renewal was due is renewed when it is listed again") {
    test::local_site site{{}, [](auto& ca) { ca.lifetime = 4s; }};
    site.start();
    site.run(site.manager->cert("a.test"));
    const auto first = site.manager->find("a.test");
    site.manager->set_hosts({});
    auto later = [&]() -> asio::awaitable<void> { co_await system_clock()->sleep_for(2500ms); };
    site.run(later());
    CHECK(site.manager->find("a.test") == first);
    site.manager->set_hosts({"a.test"});
    auto renewed = [&]() -> asio::awaitable<void> {
        while (site.manager->find("a.test") == first)
            co_await site.manager->watch().receive();
    };
    site.run(renewed());
    CHECK(site.ca->certificates_issued() == 2);
}

TEST_CASE("a second serve() and a late handle() are refused while the first serve() goes on") {
    test::local_site site;
    site.start();
    CHECK(code_of(thrown_by(site, site.manager->serve())) == errc::invalid_options);
    CHECK_THROWS_AS(
        site.manager->handle("/late", [](request) -> asio::awaitable<response> { co_return response{204}; }), error);
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
}

TEST_CASE("serve() that is cancelled closes its listeners and can be called again") {
    test::local_site site;
    site.start();
    site.serving->cancel();
    CHECK_THROWS_AS(site.run(site.serving->join()), std::system_error);
    CHECK(site.manager->https_endpoints().empty());
    site.start();
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
}
