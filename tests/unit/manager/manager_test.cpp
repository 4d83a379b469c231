#include <evercert/error.hpp>

#include "catch.hpp"
#include "manager_fixture.hpp"

using namespace evercert;
using fixture = test::closed_manager;
using Catch::Matchers::ContainsSubstring;
using test::state_with;

namespace {

/// What a manager says to these options; empty if it takes them.
template <typename Change>
std::string refused(Change change) {
    asio::io_context io;
    manager_options options;
    options.limits = lets_encrypt_limits();
    change(options);
    try {
        const manager made{io, options};
    } catch (const error& e) {
        CHECK(e.code() == errc::invalid_options);
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("a server name that no certificate can be for is refused and never ordered") {
    fixture f;
    for (const std::string name :
         {"192.0.2.1", "2001:db8::1", "localhost", "a", "a..test", "-a.test", "*.a.test", "a.test/../b.test",
          "a b.test", "\x01.test", "1.2.0.192.in-addr.arpa.", "a.123"}) {
        CAPTURE(name);
        CHECK(f.ask(name) == errc::invalid_identifier);
    }
    CHECK(f.ask(std::string(300, 'a') + ".test") == errc::invalid_identifier);
    CHECK(f.ask(std::string("a.test\0.evil.test", 17)) == errc::invalid_identifier);
    CHECK(f.closed->asked == 0);
}

TEST_CASE("a client without a server name gets the certificate of the address, or is refused") {
    fixture f;
    client_hello hello;
    hello.local = {asio::ip::make_address("127.0.0.1"), 443};
    CHECK(f.ask(hello) == errc::no_server_name);
    f.manager->unmarshal(state_with({"127.0.0.1"}));
    CHECK_FALSE(f.ask(hello));
    hello.local.address = asio::ip::make_address("::ffff:127.0.0.1");
    CHECK_FALSE(f.ask(hello));
    for (const std::string other : {"127.0.0.2", "fe80::1%1", "::", "::1"}) {
        hello.local.address = asio::ip::make_address(other);
        CHECK(f.ask(hello) == errc::no_server_name);
    }
    CHECK(f.closed->asked == 0);
}

TEST_CASE("upper case and a trailing dot are the same name") {
    fixture f;
    f.manager->unmarshal(state_with({"www.a.test"}));
    CHECK_FALSE(f.ask("WWW.a.Test"));
    CHECK_FALSE(f.ask("www.a.test."));
    CHECK(f.closed->asked == 0);
}

TEST_CASE("a name that the host list does not admit is refused without a question to anybody") {
    fixture f;
    f.manager->set_hosts({"A.test"});
    CHECK(f.ask("b.test") == errc::name_not_allowed);
    CHECK(f.closed->asked == 0);
    CHECK(f.ask("a.test") == errc::resolve_failed);
    f.manager->set_hosts({});
    CHECK(f.ask("a.test") == errc::name_not_allowed);
    f.manager->allow_any_host();
    CHECK(f.ask("c.test") == errc::resolve_failed);
}

TEST_CASE("a name that failed is refused from memory, and asked for again by the application") {
    fixture f;
    CHECK(f.ask("a.test") == errc::resolve_failed);
    const auto asked = f.closed->asked;
    CHECK(asked > 0);
    CHECK(f.ask("a.test") == errc::resolve_failed);
    CHECK(f.closed->asked == asked);
    CHECK_THROWS_AS(test::run_io(f.io, f.manager->cert("a.test")), error);
    CHECK(f.closed->asked > asked);
}

TEST_CASE("a validation that is not in progress gets no certificate") {
    fixture f;
    f.manager->unmarshal(state_with({"a.test"}));
    CHECK(f.ask(client_hello{"a.test", {"acme-tls/1"}}) == errc::no_challenge);
    CHECK_FALSE(f.ask(client_hello{"a.test", {"acme-tls/1", "http/1.1"}}));
}

TEST_CASE("a manager refuses options that cannot be meant, and says which") {
    CHECK_THAT(refused([](auto& o) { o.directory_url = "http://ca.test/"; }), ContainsSubstring("https"));
    CHECK_THAT(refused([](auto& o) { o.challenges.clear(); }), ContainsSubstring("challenges"));
    CHECK_THAT(refused([](auto& o) { o.orders.burst = 0; }), ContainsSubstring("orders"));
    CHECK_THAT(refused([](auto& o) { o.waiters_max = 0; }), ContainsSubstring("waiters"));
    CHECK_THAT(refused([](auto& o) { o.network = nullptr; }), ContainsSubstring("network"));
    CHECK_THAT(refused([](auto& o) { o.key_types = {key_type::ed25519}; }), ContainsSubstring("Ed25519"));
    CHECK_THAT(refused([](auto& o) { o.key_types.clear(); }), ContainsSubstring("key_types"));
    CHECK_THAT(
        refused([](auto& o) { o.key_types = {key_type::rsa_2048, key_type::rsa_4096}; }), ContainsSubstring("twice"));
    CHECK_THAT(
        refused([](auto& o) { o.certificate_files_interval = std::chrono::milliseconds{999}; }),
        ContainsSubstring("certificate_files_interval"));
    CHECK_THAT(
        refused([](auto& o) { o.store_timeout = {}; }),
        ContainsSubstring("manager_options::store_timeout must be above 0"));
    CHECK_THAT(
        refused([](auto& o) { o.refusal_memory = std::chrono::seconds{-1}; }),
        ContainsSubstring("manager_options::refusal_memory must not be negative"));
    CHECK_THAT(
        refused([](auto& o) { o.retry.caa.most = std::chrono::milliseconds::max(); }),
        ContainsSubstring("retry_options::caa.most must be at most 3650 days"));
    CHECK_THAT(
        refused([](auto& o) { o.new_hosts = {std::chrono::hours{3}, 1'000'000}; }),
        ContainsSubstring("manager_options::new_hosts"));
    CHECK_THAT(refused([](auto& o) { o.limits->orders.window = {}; }), ContainsSubstring("ca_limits::orders"));
}

TEST_CASE("forever is refused where a manager is told a time") {
    static constexpr auto forever = std::chrono::milliseconds::max();
    static constexpr auto seconds_forever = std::chrono::seconds::max();
    CHECK(refused([](auto&) {}).empty());
    CHECK_THAT(refused([](auto& o) { o.admission_timeout = forever; }), ContainsSubstring("admission_timeout"));
    CHECK_THAT(refused([](auto& o) { o.refusal_memory = seconds_forever; }), ContainsSubstring("refusal_memory"));
    CHECK_THAT(refused([](auto& o) { o.orders.interval = forever; }), ContainsSubstring("orders.interval"));
    CHECK_THAT(refused([](auto& o) { o.new_hosts.interval = forever; }), ContainsSubstring("new_hosts.interval"));
    CHECK_THAT(refused([](auto& o) { o.order_ceiling.window = forever; }), ContainsSubstring("order_ceiling.window"));
    CHECK_THAT(
        refused([](auto& o) { o.renewal_info_polls.interval = forever; }),
        ContainsSubstring("renewal_info_polls.interval"));
    CHECK_THAT(
        refused([](auto& o) { o.certificate_files_interval = forever; }),
        ContainsSubstring("certificate_files_interval"));
    CHECK_THAT(refused([](auto& o) { o.handshake_wait = forever; }), ContainsSubstring("handshake_wait"));
    CHECK_THAT(refused([](auto& o) { o.order_timeout = forever; }), ContainsSubstring("order_timeout"));
    CHECK_THAT(refused([](auto& o) { o.expired_kept = seconds_forever; }), ContainsSubstring("expired_kept"));
    CHECK_THAT(refused([](auto& o) { o.clock_tolerance = seconds_forever; }), ContainsSubstring("clock_tolerance"));
    CHECK_THAT(
        refused([](auto& o) { o.clock_check_interval = seconds_forever; }), ContainsSubstring("clock_check_interval"));
    CHECK_THAT(refused([](auto& o) { o.store_timeout = forever; }), ContainsSubstring("store_timeout"));
    CHECK_THAT(refused([](auto& o) { o.lock_wait = forever; }), ContainsSubstring("lock_wait"));
    CHECK_THAT(refused([](auto& o) { o.last_save_timeout = forever; }), ContainsSubstring("last_save_timeout"));
    CHECK_THAT(
        refused([](auto& o) { o.retry.server.first = forever; }), ContainsSubstring("retry_options::server.first"));
    CHECK_THAT(
        refused([](auto& o) { o.limits->orders.window = seconds_forever; }),
        ContainsSubstring("ca_limits::orders.window"));
    CHECK_THAT(
        refused([](auto& o) { o.limits->renewal_window = seconds_forever; }),
        ContainsSubstring("ca_limits::renewal_window"));
}

TEST_CASE("a stopped manager refuses everything and its watchers learn of it") {
    fixture f;
    CHECK(f.manager->watch().try_receive());
    CHECK_FALSE(f.manager->watch().try_receive());
    test::started<void> watching{f.io.get_executor(), f.manager->watch().receive()};
    test::started<void> running{f.io.get_executor(), f.manager->run()};
    f.io.poll();
    f.manager->stop();
    f.io.restart();
    f.io.run();
    REQUIRE(watching.ended());
    CHECK_THROWS_AS(watching.take(), error);
    REQUIRE(running.ended());
    CHECK_NOTHROW(running.take());
    CHECK(f.ask("a.test") == errc::stopped);
    CHECK_THROWS_AS(test::run_io(f.io, f.manager->run()), error);
}

TEST_CASE("changes coalesce into one notification, and each goes to one receiver") {
    fixture f;
    auto& watch = f.manager->watch();
    CHECK(&watch == &f.manager->watch());
    CHECK(watch.try_receive());  // waiting from the start
    f.manager->set_hosts({"a.test"});
    f.manager->set_hosts({"b.test"});
    f.io.poll();
    CHECK(watch.try_receive());
    CHECK_FALSE(watch.try_receive());
}

TEST_CASE("a change after a receive that was cancelled is not lost") {
    fixture f;
    auto& watch = f.manager->watch();
    CHECK(watch.try_receive());
    test::started<void> receiving{f.io.get_executor(), watch.receive()};
    f.io.poll();
    receiving.cancel();
    f.io.restart();
    f.io.poll();
    REQUIRE(receiving.ended());
    f.manager->set_hosts({"a.test"});
    f.io.restart();
    f.io.poll();
    CHECK(watch.try_receive());
    CHECK_FALSE(watch.try_receive());
}

TEST_CASE("the whole state is marshalled and comes back, and damage changes nothing") {
    fixture f;
    f.manager->unmarshal(state_with({"a.test", "b.test"}));
    f.manager->set_hosts({"a.test"});
    const auto text = f.manager->marshal();
    fixture other;
    other.manager->unmarshal(text);
    REQUIRE(other.manager->find("b.test"));
    CHECK(other.manager->marshal() == text);
    CHECK_THROWS_AS(other.manager->unmarshal("{}"), error);
    CHECK(other.manager->marshal() == text);
    other.manager->unmarshal("");
    CHECK(other.manager->find("b.test") == nullptr);
    CHECK_FALSE(other.manager->registered());
}
