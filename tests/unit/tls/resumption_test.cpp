#include "tls_test.hpp"

using namespace evercert;
using test::tls_options;
using test::tls_pair;

namespace {

struct free_session {
    void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using session_ptr = std::unique_ptr<SSL_SESSION, free_session>;

/// Connections to one server, one after the other.
struct clients {
    int version;
    tls_server_context server_context{tls_server_options{}};
    std::shared_ptr<test::still_clock> time = std::make_shared<test::still_clock>();
    tls_client_context client_context{test::shared_ca().root_file(), time};

    struct connection {
        bool resumed = false;
        session_ptr session;
    };

    /// A certificate for both names: only the session id context keeps the names apart.
    asio::awaitable<connection> connect(const std::string& name, SSL_SESSION* offered) {
        auto executor = co_await asio::this_coro::executor;
        auto ends = memory_stream_pair(executor);
        tls_stream server{std::move(ends.first), server_context};
        tls_stream client{std::move(ends.second), client_context, name, {}};
        SSL_set_max_proto_version(client.native_handle(), version);
        if (offered)
            SSL_set_session(client.native_handle(), offered);
        std::vector<identifier> names;
        names.emplace_back("a.test");
        names.emplace_back("b.test");
        test::started<client_hello> accepting{executor, test::accept_with(server, test::shared_ca().issue(names))};
        co_await client.handshake();
        co_await accepting.join();
        // The tickets of TLS 1.3 come after the handshake.
        std::array<std::byte, 1> nothing;
        client.try_read(nothing);
        connection result;
        result.resumed = SSL_session_reused(client.native_handle()) == 1;
        result.session.reset(SSL_get1_session(client.native_handle()));
        client.shutdown_write();
        co_return result;
    }
};

}  // namespace

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
