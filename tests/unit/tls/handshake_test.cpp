#include "base/stream_io.hpp"
#include "tls_test.hpp"

using namespace evercert;
using test::started;
using test::tls_options;
using test::tls_pair;

namespace {

const char* version_of(const tls_stream& stream) { return SSL_get_version(stream.native_handle()); }

}  // namespace

TEST_CASE("a handshake waits for its certificate between the ClientHello and the answer") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        options.version = version;
        options.client_alpn = {"h2", "http/1.1"};
        tls_pair pair{io.get_executor(), options};
        started<void> connecting{io.get_executor(), pair.client->handshake()};

        const auto hello = co_await pair.server->receive_client_hello();
        CHECK(hello.server_name == "a.test");
        CHECK(hello.alpn_protocols == std::vector<std::string>{"h2", "http/1.1"});
        CHECK_FALSE(hello.is_challenge());

        co_await test::yield(50);
        CHECK_FALSE(connecting.ended());
        co_await pair.server->finish_handshake(test::certificate_for("a.test"));
        co_await connecting.join();
        CHECK(version_of(*pair.client) == std::string{version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3"});

        co_await write_all(*pair.client, "ping");
        const auto asked = co_await test::read_exactly(*pair.server, 4);
        co_await write_all(*pair.server, "pong");
        const auto answered = co_await test::read_exactly(*pair.client, 4);
        CHECK(asked == "ping");
        CHECK(answered == "pong");
    });
}

TEST_CASE("certificates of every key type can be served") {
    const auto type = GENERATE(key_type::ec_p256, key_type::ec_p384, key_type::rsa_2048, key_type::ed25519);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        co_await test::establish(pair, test::certificate_for("a.test", type));
    });
}

TEST_CASE("a ClientHello may come in any number of segments") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const std::size_t segment = GENERATE(1, 5, 100);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        options.version = version;
        options.segment = segment;
        // The tickets of TLS 1.3 follow the handshake, and this client does not read them.
        if (version == TLS1_2_VERSION)
            options.capacity = 8;
        tls_pair pair{io.get_executor(), options};
        const auto hello = co_await test::establish(pair, test::certificate_for("a.test"));
        CHECK(hello.server_name == "a.test");
    });
}

TEST_CASE("after a HelloRetryRequest the handshake goes on with the certificate that it has") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        // The client's key share is for its first group, which this server does not take.
        SSL_set1_groups_list(pair.server->native_handle(), "P-384");
        SSL_set1_groups_list(pair.client->native_handle(), "X25519:P-384");
        const auto hello = co_await test::establish(pair, test::certificate_for("a.test"));
        CHECK(hello.server_name == "a.test");
        CHECK(SSL_get_negotiated_group(pair.client->native_handle()) == NID_secp384r1);
    });
}

TEST_CASE("a client that asks for another name after a HelloRetryRequest is refused") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        SSL_set1_groups_list(pair.server->native_handle(), "P-384");
        SSL_set1_groups_list(pair.client->native_handle(), "X25519:P-384");
        SSL_set_msg_callback(
            pair.client->native_handle(), [](int sent, int, int type, const void*, std::size_t, SSL* ssl, void*) {
                if (!sent && type == SSL3_RT_HANDSHAKE)
                    SSL_set_tlsext_host_name(ssl, "b.test");
            });
        started<client_hello> accepting{
            io.get_executor(), test::accept_with(*pair.server, test::certificate_for("a.test"))};
        const auto client = co_await test::error_of(pair.client->handshake());
        CHECK(client.code() == errc::tls_failed);
        CHECK(pair.client_alert == SSL_AD_ILLEGAL_PARAMETER);
        CHECK_THROWS_AS(accepting.take(), error);
    });
}

TEST_CASE("a name that is refused after the wait is answered with the alert unrecognized_name") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto why = GENERATE(errc::name_not_allowed, errc::invalid_identifier, errc::no_server_name);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        options.version = version;
        tls_pair pair{io.get_executor(), options};
        started<void> refusing{io.get_executor(), test::accept_refusing(*pair.server, error{why, "refused"})};
        const auto client = co_await test::error_of(pair.client->handshake());
        CHECK(client.code() == errc::tls_failed);
        CHECK_THAT(client.what(), Catch::Matchers::ContainsSubstring("unrecognized name"));
        CHECK(pair.client_alert == 112);
        co_await refusing.join();
    });
}

TEST_CASE("the alert of a refusal says what kind it is") {
    struct expected {
        errc why;
        int alert;
    };
    const auto [why, alert] = GENERATE(
        expected{errc::rate_limited, SSL_AD_INTERNAL_ERROR}, expected{errc::acme_problem, SSL_AD_INTERNAL_ERROR},
        expected{errc::no_challenge, SSL_AD_NO_APPLICATION_PROTOCOL});
    test::run_io([io_why = why, io_alert = alert](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        started<void> refusing{io.get_executor(), test::accept_refusing(*pair.server, error{io_why, "refused"})};
        const auto client = co_await test::error_of(pair.client->handshake());
        CHECK(client.code() == errc::tls_failed);
        CHECK(pair.client_alert == io_alert);
        co_await refusing.join();
    });
}

TEST_CASE("a handshake without a certificate is refused, not left hanging") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        started<client_hello> accepting{io.get_executor(), test::accept_with(*pair.server, nullptr)};
        const auto client = co_await test::error_of(pair.client->handshake());
        CHECK(pair.client_alert == SSL_AD_INTERNAL_ERROR);
        CHECK(client.code() == errc::tls_failed);
        CHECK_THROWS_AS(accepting.take(), error);
    });
}

TEST_CASE("a handshake can be cancelled while it waits for the ClientHello, and for the client's answer") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        started<client_hello> receiving{io.get_executor(), pair.server->receive_client_hello()};
        co_await test::yield(5);
        receiving.cancel();
        co_await test::yield(5);
        REQUIRE(receiving.ended());
        CHECK_THROWS_AS(receiving.take(), std::system_error);

        started<void> connecting{io.get_executor(), pair.client->handshake()};
        co_await pair.server->receive_client_hello();
        connecting.cancel();
        started<void> finishing{io.get_executor(), pair.server->finish_handshake(test::certificate_for("a.test"))};
        co_await test::yield(5);
        CHECK_FALSE(finishing.ended());
        finishing.cancel();
        co_await test::yield(5);
        REQUIRE(finishing.ended());
        CHECK_THROWS_AS(finishing.take(), std::system_error);
    });
}

TEST_CASE("closing or destroying a stream ends the handshake in it") {
    const bool destroy = GENERATE(false, true);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        started<client_hello> receiving{io.get_executor(), pair.server->receive_client_hello()};
        co_await test::yield(5);
        if (destroy)
            pair.server.reset();
        else
            pair.server->close();
        co_await test::yield(5);
        REQUIRE(receiving.ended());
        try {
            receiving.take();
            FAIL("nothing was thrown");
        } catch (const std::system_error& ended) {
            CHECK(ended.code() == asio::error::operation_aborted);
        }
    });
}

TEST_CASE("a client that leaves while its certificate is obtained is noticed when the handshake goes on") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        started<void> connecting{io.get_executor(), pair.client->handshake()};
        co_await pair.server->receive_client_hello();
        pair.client->close();
        const auto server = co_await test::error_of(pair.server->finish_handshake(test::certificate_for("a.test")));
        CHECK(server.code() == errc::connection_closed);
    });
}

TEST_CASE("what is not TLS ends the handshake with an error") {
    const std::string garbage = GENERATE(
        std::string(300, '\xff'), std::string(300, '\0'), std::string{"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"},
        // A handshake record longer than 2^14 + 256 bytes.
        std::string{"\x16\x03\x01\xff\xff"} + std::string(0xffff, 'x'),
        // A handshake message of 16 MB.
        std::string{"\x16\x03\x01\x40\x00\x01\xff\xff\xff", 9} + std::string(0x4000, 'x'));
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        auto ends = memory_stream_pair(io.get_executor(), 128 << 10);
        const tls_server_context context{tls_server_options{}};
        tls_stream server{std::move(ends.first), context};
        co_await write_all(*ends.second, garbage);
        try {
            co_await server.receive_client_hello();
            FAIL("nothing was thrown");
        } catch (const error& failed) {
            CHECK(failed.code() == errc::tls_failed);
        }
    });
}

TEST_CASE("a client that says nothing and leaves is a closed connection") {
    const std::string said = GENERATE(std::string{}, std::string{"\x16\x03\x01"});
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        auto ends = memory_stream_pair(io.get_executor());
        const tls_server_context context{tls_server_options{}};
        tls_stream server{std::move(ends.first), context};
        if (!said.empty())
            co_await write_all(*ends.second, said);
        ends.second->close();
        try {
            co_await server.receive_client_hello();
            FAIL("nothing was thrown");
        } catch (const error& failed) {
            CHECK(failed.code() == errc::connection_closed);
        }
    });
}

TEST_CASE("TLS 1.1 is refused") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        options.version = TLS1_1_VERSION;
        tls_pair pair{io.get_executor(), options};
        SSL_set_security_level(pair.client->native_handle(), 0);
        SSL_set_cipher_list(pair.client->native_handle(), "ALL");
        started<client_hello> accepting{
            io.get_executor(), test::accept_with(*pair.server, test::certificate_for("a.test"))};
        const auto client = co_await test::error_of(pair.client->handshake());
        CHECK(client.code() == errc::tls_failed);
        CHECK(pair.client_alert == SSL_AD_PROTOCOL_VERSION);
        CHECK_THROWS_AS(accepting.take(), error);
    });
}
