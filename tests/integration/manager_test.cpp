#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <evercert/evercert.hpp>

#include "base/worker.hpp"
#include "catch.hpp"
#include "clients.hpp"
#include "http/client.hpp"
#include "loopback_network.hpp"
#include "pebble.hpp"
#include "run.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

asio::awaitable<response> hello(request asked) { co_return response{"hello from " + asked.server_name}; }

std::size_t count(const std::string& text, std::string_view what) {
    std::size_t found = 0;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size()))
        ++found;
    return found;
}

/// A manager that serves with Pebble as its CA, and clients that trust Pebble's root.
struct server {
    explicit server(
        test::pebble& ca, std::vector<challenge_type> challenges = {}, std::string cache = {},
        std::vector<key_type> key_types = {key_type::ec_p256})
        : ca{ca} {
        manager_options options;
        options.key_types = std::move(key_types);
        options.directory_url = ca.directory_url();
        options.http.ca_file = ca.ca_file();
        options.server.addresses = {asio::ip::address_v4::loopback()};
        options.server.http_port = ca.http_port();
        options.server.https_port = ca.tls_port();
        options.network = std::make_shared<test::loopback_network>();
        if (!challenges.empty())
            options.challenges = std::move(challenges);
        options.orders = {0s, 1};
        options.new_hosts = {0s, 1};
        options.order_ceiling = {};
        options.log.level = log_level::debug;
        options.log.sink = [this](log_level, std::string_view text) {
            if (std::getenv("EVERCERT_TEST_LOG"))
                std::cerr << text << '\n';
            if (on_line)
                on_line(text);
        };
        manager.emplace(io, std::move(options));
        if (!cache.empty())
            manager->cache_file(cache);
        manager->handle("/", hello);
        serving.emplace(io.get_executor(), manager->serve());
        test::run_io(io, manager->listening());
    }
    ~server() {
        if (manager && !stopped)
            stop();
    }

    void stop() {
        stopped = true;
        manager->stop();
        test::run_io(io, serving->join());
    }

    void trust(const std::string& root) { test::write_file(folder / "root.pem", root); }

    asio::awaitable<std::string> get(std::string host) {
        http_client_options options;
        options.ca_file = folder / "root.pem";
        http_client client{options, system_clock(), std::make_shared<test::loopback_network>(), logger{}};
        const auto answer =
            co_await client.send({"GET", "https://" + host + ":" + std::to_string(ca.tls_port()) + "/"});
        co_return answer.body;
    }
    template <typename T>
    T run(asio::awaitable<T> work) {
        return test::run_io(io, std::move(work));
    }

    test::pebble& ca;
    test::temporary_folder folder;
    std::function<void(std::string_view)> on_line;
    asio::io_context io;
    std::optional<evercert::manager> manager;
    std::optional<test::started<void>> serving;
    bool stopped = false;
};

}  // namespace

TEST_CASE("a server gets its certificate from Pebble by either challenge and serves with it") {
    const auto challenge = GENERATE(challenge_type::tls_alpn_01, challenge_type::http_01);
    test::pebble ca;
    server s{ca, {challenge}};
    s.trust(ca.issuing_root_pem());
    CHECK(s.run(s.get("one.test")) == "hello from one.test");
    CHECK(s.manager->registered());
    const auto cert = s.manager->find("one.test");
    REQUIRE(cert);
    CHECK(cert->names() == std::vector<identifier>{"one.test"});
}

TEST_CASE("Pebble issues a certificate with each kind of key for the clients that need it") {
    test::pebble ca;
    server s{ca, {}, {}, {key_type::ec_p256, key_type::rsa_2048}};
    for (const auto& [client, type] :
         {std::pair{test::rsa_alone(), key_type::rsa_2048}, std::pair{test::p256_alone(), key_type::ec_p256}}) {
        const auto got = s.run(s.manager->get_certificate(test::hello("two.test", client)));
        CHECK(got->key().type() == type);
    }
    s.trust(ca.issuing_root_pem());
    CHECK(s.run(s.get("two.test")) == "hello from two.test");
    CHECK(count(ca.log(), "POST /order-plz") == 2);
}

TEST_CASE("one certificate for several names is obtained in one order") {
    test::pebble ca;
    server s{ca};
    const auto cert = s.run(s.manager->manage({"a.test", "b.test", "c.test"}));
    CHECK(cert->names().size() == 3);
    s.trust(ca.issuing_root_pem());
    CHECK(s.run(s.get("b.test")) == "hello from b.test");
    CHECK(count(ca.log(), "POST /order-plz") == 1);
}

TEST_CASE("fifty first handshakes for one name at once make exactly one order") {
    test::pebble ca;
    server s{ca};
    s.trust(ca.issuing_root_pem());
    std::vector<std::unique_ptr<test::started<std::string>>> clients;
    for (int i = 0; i < 50; ++i)
        clients.push_back(std::make_unique<test::started<std::string>>(s.io.get_executor(), s.get("busy.test")));
    auto all = [&]() -> asio::awaitable<void> {
        for (auto& one : clients) {
            const auto body = co_await one->join();
            CHECK(body == "hello from busy.test");
        }
    };
    s.run(all());
    CHECK(count(ca.log(), "POST /order-plz") == 1);
}

TEST_CASE("a CA that refuses many nonces still issues") {
    test::pebble_options options;
    options.nonce_reject = GENERATE(15, 50);
    test::pebble ca{options};
    server s{ca};
    CHECK(s.run(s.manager->cert("nonces.test"))->covers("nonces.test"));
}

TEST_CASE("a name that the CA blocks gives an error that says so") {
    test::pebble ca;
    server s{ca};
    try {
        s.run(s.manager->cert("blocked-domain.example"));
        FAIL("issued");
    } catch (const error& e) {
        CHECK(e.code() == errc::acme_problem);
        REQUIRE(e.problem());
        CHECK(e.problem()->is("rejectedIdentifier"));
        CHECK(std::string{e.what()}.find("rejectedIdentifier") != std::string::npos);
        CHECK_FALSE(is_retryable(e));
    }
    // A handshake for it is refused from memory: the CA is not asked again.
    s.trust(ca.issuing_root_pem());
    const auto asked = count(ca.log(), "POST /order-plz");
    CHECK_THROWS_AS(s.run(s.get("blocked-domain.example")), error);
    CHECK(count(ca.log(), "POST /order-plz") == asked);
}

TEST_CASE("a CA that stops in mid-order and comes back without memory is used again") {
    test::pebble ca;
    server s{ca};
    s.on_line = [&](std::string_view line) {
        if (line.starts_with("challenge for"))
            ca.stop();
    };
    try {
        s.run(s.manager->cert("outage.test"));
        FAIL("issued");
    } catch (const error& e) {
        CHECK(is_retryable(e));
    }
    s.on_line = nullptr;
    ca.start();
    CHECK(s.run(s.manager->cert("outage.test"))->covers("outage.test"));
    s.trust(ca.issuing_root_pem());
    CHECK(s.run(s.get("outage.test")) == "hello from outage.test");
}

TEST_CASE("a server that restarts from its cache file serves at once, with the CA down") {
    test::pebble ca;
    test::temporary_folder folder;
    const auto root = ca.issuing_root_pem();
    std::string serial;
    {
        server first{ca, {}, folder / "cache"};
        first.trust(root);
        first.run(first.get("kept.test"));
        serial = first.manager->find("kept.test")->serial();
    }
    ca.stop();
    server second{ca, {}, folder / "cache"};
    CHECK(second.manager->registered());
    second.trust(root);
    CHECK(second.run(second.get("kept.test")) == "hello from kept.test");
    CHECK(second.manager->find("kept.test")->serial() == serial);
}

TEST_CASE("curl trusts the server by Pebble's root, with TLS 1.2 and 1.3, and is redirected from port 80") {
    test::pebble ca;
    server s{ca};
    s.trust(ca.issuing_root_pem());
    worker outside;
    auto curl = [&](std::vector<std::string> extra, std::string url,
                    std::uint16_t port) -> asio::awaitable<std::string> {
        std::vector<std::string> command{"curl",
                                         "-sS",
                                         "-i",
                                         "--cacert",
                                         s.folder / "root.pem",
                                         "--connect-to",
                                         "::127.0.0.1:" + std::to_string(port)};
        command.insert(command.end(), extra.begin(), extra.end());
        command.push_back(url);
        auto call = [command] { return test::run_program(command); };
        return outside.run(std::move(call));
    };
    const auto modern = s.run(curl({"--tlsv1.3"}, "https://curl.test/", ca.tls_port()));
    CHECK(modern.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(modern.ends_with("hello from curl.test"));
    const auto old = s.run(curl({"--tls-max", "1.2"}, "https://curl.test/", ca.tls_port()));
    CHECK(old.ends_with("hello from curl.test"));
    const auto redirected = s.run(curl({}, "http://curl.test/path?q=1", ca.http_port()));
    CHECK(redirected.starts_with("HTTP/1.1 302 "));
    CHECK(redirected.find("Location: https://curl.test/path?q=1\r\n") != std::string::npos);
}
