#include "asio_ssl_setting.hpp"

using namespace evercert;
using asio::ip::tcp;
using test::started;
using ssl_stream = asio::ssl::stream<tcp::socket>;
using namespace asio_ssl_test;

TEST_CASE("an asio::ssl::stream's handshake waits for its certificate") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const bool hello_retry_request = version == TLS1_3_VERSION && GENERATE(false, true);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io, version};
        prepare_server_context(pair.context);
        pair.make_server();
        if (hello_retry_request) {
            SSL_set1_groups_list(pair.server->native_handle(), "P-384");
            SSL_set1_groups_list(pair.client->native_handle(), "X25519:P-384");
        }
        slow_source source{io.get_executor()};
        started<void> connecting{io.get_executor(), pair.client->handshake()};
        started<bool> accepting{io.get_executor(), handshake(source, *pair.server)};
        while (source.asked.empty())
            co_await test::yield();
        co_await test::yield(20);
        CHECK_FALSE(connecting.ended());
        source.release();
        const bool is_client = co_await accepting.join();
        co_await connecting.join();
        CHECK(is_client);
        REQUIRE(source.asked.size() == 1);
        CHECK(source.asked[0].server_name == "a.test");
        CHECK(source.asked[0].remote.port == pair.port);
        CHECK(source.asked[0].local.address == asio::ip::address_v4::loopback());
        // The stream is the application's again: records go through it.
        co_await asio::async_write(*pair.server, asio::buffer("hello", 5), asio::use_awaitable);
        const auto text = co_await test::read_exactly(*pair.client, 5);
        CHECK(text == "hello");
    });
}

TEST_CASE("what the source throws refuses the client and reaches the caller") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io, version};
        prepare_server_context(pair.context);
        pair.make_server();
        slow_source source{io.get_executor()};
        source.refusal = std::make_exception_ptr(error{errc::name_not_allowed, "not here"});
        source.open = true;
        started<bool> accepting{io.get_executor(), handshake(source, *pair.server)};
        const auto client = co_await test::error_of(pair.client->handshake());
        CHECK(client.code() == errc::tls_failed);
        CHECK(pair.client_alert == SSL_AD_UNRECOGNIZED_NAME);
        while (!accepting.ended())
            co_await test::yield();
        CHECK(code_of(accepting) == errc::name_not_allowed);
    });
}

TEST_CASE("a source that throws something else, or has nothing, is an internal error for the client") {
    const bool throws = GENERATE(true, false);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io};
        prepare_server_context(pair.context);
        pair.make_server();
        slow_source source{io.get_executor()};
        source.chosen = nullptr;
        if (throws)
            source.refusal = std::make_exception_ptr(std::runtime_error{"leader unreachable"});
        source.open = true;
        started<bool> accepting{io.get_executor(), handshake(source, *pair.server)};
        co_await test::error_of(pair.client->handshake());
        CHECK(pair.client_alert == SSL_AD_INTERNAL_ERROR);
        while (!accepting.ended())
            co_await test::yield();
        CHECK_THROWS(accepting.take());
    });
}

TEST_CASE("a validation on an asio::ssl::stream is answered and is no client") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io, version, {"acme-tls/1"}};
        std::vector<std::string> protocols;
        protocols.emplace_back("h2");
        prepare_server_context(pair.context, protocols);
        pair.make_server();
        SSL_set_verify(pair.client->native_handle(), SSL_VERIFY_NONE, nullptr);
        slow_source source{io.get_executor()};
        source.open = true;
        started<void> connecting{io.get_executor(), pair.client->handshake()};
        const bool is_client = co_await handshake(source, *pair.server);
        co_await connecting.join();
        CHECK_FALSE(is_client);
        CHECK(pair.client->alpn_protocol() == "acme-tls/1");
    });
}

TEST_CASE("the source is told how handshakes on an asio::ssl::stream ended") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const bool trusted = GENERATE(true, false);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io, version};
        prepare_server_context(pair.context);
        pair.make_server();
        if (!trusted)
            SSL_set1_host(pair.client->native_handle(), "b.test");
        slow_source source{io.get_executor()};
        source.open = true;
        started<bool> accepting{io.get_executor(), handshake(source, *pair.server)};
        const auto client = co_await test::failure_of(pair.client->handshake());
        CHECK(trusted == !client);
        while (!accepting.ended())
            co_await test::yield();
        CHECK(source.ended_with == source.chosen);
        REQUIRE(source.ended.size() == 1);
        CHECK(source.ended[0] == (trusted ? handshake_result::established : handshake_result::certificate_rejected));
        CHECK(code_of(accepting) == (trusted ? std::error_code{} : make_error_code(errc::tls_failed)));
    });
}

TEST_CASE("a client that leaves an asio::ssl::stream has not rejected the certificate") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io};
        prepare_server_context(pair.context);
        pair.make_server();
        slow_source source{io.get_executor()};
        started<void> connecting{io.get_executor(), pair.client->handshake()};
        started<bool> accepting{io.get_executor(), handshake(source, *pair.server)};
        while (source.asked.empty())
            co_await test::yield();
        pair.client->close();
        source.release();
        while (!accepting.ended())
            co_await test::yield();
        CHECK(source.ended == std::vector<handshake_result>(1, handshake_result::failed));
    });
}

TEST_CASE("a stream whose context was not prepared is refused before it reads anything") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io};
        pair.make_server();
        slow_source source{io.get_executor()};
        started<bool> accepting{io.get_executor(), handshake(source, *pair.server)};
        co_await test::yield();
        REQUIRE(accepting.ended());
        CHECK(code_of(accepting) == errc::context_not_installed);
    });
}

TEST_CASE("a context whose callback was replaced afterwards is noticed after the handshake") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io};
        prepare_server_context(pair.context);
        SSL_CTX_set_client_hello_cb(pair.context.native_handle(), nullptr, nullptr);
        const auto own = test::certificate_for("a.test");
        SSL_CTX_use_cert_and_key(
            pair.context.native_handle(), own->native_handle(), own->key().native_handle(), own->native_chain(), 1);
        pair.make_server();
        slow_source source{io.get_executor()};
        started<bool> accepting{io.get_executor(), handshake(source, *pair.server)};
        co_await pair.client->handshake();
        while (!accepting.ended())
            co_await test::yield();
        CHECK(code_of(accepting) == errc::context_not_installed);
    });
}

TEST_CASE("a client that leaves an asio::ssl::stream while it waits is noticed when the handshake goes on") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io};
        prepare_server_context(pair.context);
        pair.make_server();
        slow_source source{io.get_executor()};
        started<void> connecting{io.get_executor(), pair.client->handshake()};
        started<bool> accepting{io.get_executor(), handshake(source, *pair.server)};
        while (source.asked.empty())
            co_await test::yield();
        pair.client->close();
        source.release();
        while (!accepting.ended())
            co_await test::yield();
        CHECK(code_of(accepting) == errc::connection_closed);
    });
}

TEST_CASE("a handshake that is cancelled while it waits leaves nothing of it behind in the stream") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io};
        prepare_server_context(pair.context);
        pair.make_server();
        slow_source source{io.get_executor()};
        started<void> connecting{io.get_executor(), pair.client->handshake()};
        {
            started<bool> accepting{io.get_executor(), handshake(source, *pair.server)};
            while (source.asked.empty())
                co_await test::yield();
            accepting.cancel();
            while (!accepting.ended())
                co_await test::yield();
            CHECK(code_of(accepting) == asio::error::operation_aborted);
        }
        // OpenSSL asks again, and there is nobody who waits and no lookup: refused.
        const auto failed = co_await plain_handshake(*pair.server);
        CHECK(failed);
        while (!connecting.ended())
            co_await test::yield();
        CHECK(pair.client_alert == SSL_AD_INTERNAL_ERROR);
    });
}

TEST_CASE("a handshake may be continued too early any number of times") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io, version};
        prepare_server_context(pair.context);
        pair.make_server();
        ssl_handshake state{pair.server->native_handle(), {}, {}};
        started<void> connecting{io.get_executor(), pair.client->handshake()};
        for (int i = 0; i < 3; ++i) {
            const auto failed = co_await plain_handshake(*pair.server);
            CHECK(failed == asio::ssl::error::unexpected_result);
            CHECK(state.suspended());
        }
        state.resume(test::certificate_for("a.test"));
        const auto failed = co_await plain_handshake(*pair.server);
        CHECK_FALSE(failed);
        CHECK_FALSE(state.suspended());
        co_await connecting.join();
    });
}

TEST_CASE("the state of a handshake may outlive its SSL") {
    asio::ssl::context context{asio::ssl::context::tls_server};
    prepare_server_context(context);
    SSL* ssl = SSL_new(context.native_handle());
    {
        ssl_handshake state{ssl, {}, {}};
        SSL_free(ssl);
        CHECK_FALSE(state.suspended());
        state.refuse(errc::stopped);
    }
}
