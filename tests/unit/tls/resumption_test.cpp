#include "refused_keys.hpp"
#include "resumption_setting.hpp"

using namespace evercert;
using clients = test::returning_clients;

TEST_CASE("a session is resumed for the same name and never for another") {
    clients all{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION)};
    test::run_io([&](asio::io_context&) -> asio::awaitable<void> {
        auto first = co_await all.connect("a.test", nullptr);
        CHECK_FALSE(first.resumed);
        REQUIRE(SSL_SESSION_is_resumable(first.session.get()));

        auto same = co_await all.connect("a.test", first.session.get());
        CHECK(same.resumed);
        auto other = co_await all.connect("b.test", first.session.get());
        CHECK_FALSE(other.resumed);
    });
}

TEST_CASE("names that are longer than what a session is bound to are told apart") {
    clients all{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION)};
    test::run_io([&](asio::io_context&) -> asio::awaitable<void> {
        auto first = co_await all.connect(clients::long_name, nullptr);
        CHECK_FALSE(first.resumed);
        auto same = co_await all.connect(clients::long_name, first.session.get());
        CHECK(same.resumed);
        auto other = co_await all.connect(clients::other_long_name, first.session.get());
        CHECK_FALSE(other.resumed);
    });
}

TEST_CASE("a session lasts a day: so its ticket says, and so the session within has it") {
    clients all{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION)};
    constexpr std::chrono::seconds day = std::chrono::days{1};
    CHECK(SSL_CTX_get_timeout(all.server_context.native_handle()) == day.count());
    test::run_io([&](asio::io_context&) -> asio::awaitable<void> {
        const auto first = co_await all.connect("a.test", nullptr);
        CHECK(SSL_SESSION_get_ticket_lifetime_hint(first.session.get()) == static_cast<unsigned long>(day.count()));
    });
}

TEST_CASE("who resumes a session is shown no certificate: one that cannot be used any more is no obstacle") {
    clients all{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION)};
    test::run_io([&](asio::io_context&) -> asio::awaitable<void> {
        auto first = co_await all.connect("a.test", nullptr);
        test::refuse_every_key(all.server_context.native_handle());
        auto same = co_await all.connect("a.test", first.session.get());
        CHECK(same.resumed);
    });
}

TEST_CASE("a session of a name is not resumed by a client without a name") {
    clients all{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION)};
    test::run_io([&](asio::io_context&) -> asio::awaitable<void> {
        auto first = co_await all.connect("a.test", nullptr);
        auto executor = co_await asio::this_coro::executor;
        auto ends = memory_stream_pair(executor);
        tls_stream server{std::move(ends.first), all.server_context};
        tls_stream client{std::move(ends.second), all.client_context, "a.test", {}};
        SSL_set_tlsext_host_name(client.native_handle(), nullptr);
        SSL_set_max_proto_version(client.native_handle(), all.version);
        SSL_set_session(client.native_handle(), first.session.get());
        test::started<client_hello> accepting{executor, test::accept_with(server, test::certificate_for("a.test"))};
        co_await client.handshake();
        const auto hello = co_await accepting.join();
        CHECK(hello.server_name.empty());
        CHECK_FALSE(SSL_session_reused(client.native_handle()));
    });
}
