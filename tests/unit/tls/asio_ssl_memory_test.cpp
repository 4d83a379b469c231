#include "asio_ssl_setting.hpp"

using namespace evercert;
using asio::ip::tcp;
using test::started;
using ssl_stream = asio::ssl::stream<tcp::socket>;
using namespace asio_ssl_test;

TEST_CASE("a handshake that cannot wait gets the certificate that memory has") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io, version};
        // The application's own certificate has a key that the client would rather see.
        const auto own = test::certificate_for("own.test", key_type::rsa_2048);
        SSL_CTX_use_cert_and_key(
            pair.context.native_handle(), own->native_handle(), own->key().native_handle(), own->native_chain(), 1);
        const auto known = test::certificate_for("a.test");
        std::vector<std::string> asked;
        context_lookup lookup = [&](const client_hello& hello) {
            asked.push_back(hello.server_name);
            return known;
        };
        prepare_server_context(pair.context, {}, lookup);
        pair.make_server();
        SSL_set1_sigalgs_list(pair.client->native_handle(), "RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA256");
        started<asio::error_code> accepting{io.get_executor(), plain_handshake(*pair.server)};
        co_await pair.client->handshake();
        const auto failed = co_await accepting.join();
        CHECK_FALSE(failed);
        CHECK(asked == std::vector<std::string>(1, "a.test"));
    });
}

TEST_CASE("a miss of a handshake that cannot wait is refused, by the alert of what the lookup throws") {
    struct expected {
        std::exception_ptr thrown;
        int alert;
    };
    const expected miss = GENERATE(
        expected{nullptr, SSL_AD_INTERNAL_ERROR},
        expected{std::make_exception_ptr(error{errc::name_not_allowed, "no"}), SSL_AD_UNRECOGNIZED_NAME},
        expected{std::make_exception_ptr(error{errc::no_challenge, "no"}), SSL_AD_NO_APPLICATION_PROTOCOL},
        expected{std::make_exception_ptr(1), SSL_AD_INTERNAL_ERROR});
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io};
        context_lookup lookup = [&](const client_hello&) -> certificate_ptr {
            if (miss.thrown)
                std::rethrow_exception(miss.thrown);
            return nullptr;
        };
        prepare_server_context(pair.context, {}, lookup);
        pair.make_server();
        started<asio::error_code> accepting{io.get_executor(), plain_handshake(*pair.server)};
        co_await test::error_of(pair.client->handshake());
        CHECK(pair.client_alert == miss.alert);
        const auto failed = co_await accepting.join();
        CHECK(failed);
    });
}

TEST_CASE("what a handshake that cannot wait came to is reported, unless the application watches it itself") {
    enum class watched { not_at_all, by_context, by_ssl };
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const bool trusted = GENERATE(true, false);
    const auto by = GENERATE(watched::not_at_all, watched::by_context, watched::by_ssl);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io, version};
        const auto known = test::certificate_for("a.test");
        std::vector<handshake_result> reported;
        context_lookup lookup = [&](const client_hello&) { return known; };
        context_report report = [&](const certificate_ptr& used, handshake_result result) {
            CHECK(used == known);
            reported.push_back(result);
        };
        prepare_server_context(pair.context, {}, lookup, report);
        const auto ignore = [](const SSL*, int, int) {};
        if (by == watched::by_context)
            SSL_CTX_set_info_callback(pair.context.native_handle(), ignore);
        pair.make_server();
        if (by == watched::by_ssl)
            SSL_set_info_callback(pair.server->native_handle(), ignore);
        if (version == TLS1_3_VERSION) {
            SSL_set1_groups_list(pair.server->native_handle(), "P-384");  // a HelloRetryRequest
            SSL_set1_groups_list(pair.client->native_handle(), "X25519:P-384");
        }
        if (!trusted)
            SSL_set1_host(pair.client->native_handle(), "b.test");
        started<asio::error_code> accepting{io.get_executor(), plain_handshake(*pair.server)};
        co_await test::failure_of(pair.client->handshake());
        const auto failed = co_await accepting.join();
        CHECK(trusted == !failed);
        std::vector<handshake_result> expected;
        if (by == watched::not_at_all)
            expected.push_back(trusted ? handshake_result::established : handshake_result::certificate_rejected);
        CHECK(reported == expected);
    });
}

TEST_CASE("a certificate that OpenSSL does not let a handshake use is reported") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io};
        const auto known = test::certificate_for("a.test");
        std::vector<handshake_result> reported;
        context_lookup lookup = [&](const client_hello&) { return known; };
        context_report report = [&](const certificate_ptr&, handshake_result result) { reported.push_back(result); };
        prepare_server_context(pair.context, {}, lookup, report);
        SSL_CTX_set_security_level(pair.context.native_handle(), 5);
        pair.make_server();
        started<asio::error_code> accepting{io.get_executor(), plain_handshake(*pair.server)};
        co_await test::failure_of(pair.client->handshake());
        const auto failed = co_await accepting.join();
        CHECK(failed);
        CHECK(reported == std::vector<handshake_result>(1, handshake_result::certificate_rejected));
    });
}

TEST_CASE("preparing a context again replaces its lookup") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io};
        const auto known = test::certificate_for("a.test");
        context_lookup nothing = [](const client_hello&) -> certificate_ptr { return nullptr; };
        context_lookup lookup = [&](const client_hello&) { return known; };
        prepare_server_context(pair.context, {}, nothing);
        prepare_server_context(pair.context, {}, lookup);
        pair.make_server();
        started<asio::error_code> accepting{io.get_executor(), plain_handshake(*pair.server)};
        co_await pair.client->handshake();
        const auto failed = co_await accepting.join();
        CHECK_FALSE(failed);
    });
}

TEST_CASE("OpenSSL on a socket of its own tells the lookup the addresses") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        asio_pair pair{io};
        const auto known = test::certificate_for("a.test");
        std::optional<client_hello> asked;
        context_lookup lookup = [&](const client_hello& hello) {
            asked = hello;
            return known;
        };
        prepare_server_context(pair.context, {}, lookup);
        const ssl_ptr server{SSL_new(pair.context.native_handle())};
        pair.accepted->non_blocking(true);
        const endpoint local = detail::local_endpoint_of(*pair.accepted);
        SSL_set_fd(server.get(), pair.accepted->native_handle());
        started<void> connecting{io.get_executor(), pair.client->handshake()};
        while (SSL_accept(server.get()) != 1)
            co_await pair.accepted->async_wait(tcp::socket::wait_read, asio::use_awaitable);
        co_await connecting.join();
        REQUIRE(asked);
        CHECK(asked->local == local);
        CHECK(asked->remote.port == pair.port);
    });
}
