#include "tls_test.hpp"

using namespace evercert;
using test::started;
using test::tls_options;
using test::tls_pair;

namespace {

/// What a server and a client with these lists agree on, and the alert that the client got if they do not.
struct agreement {
    std::string protocol;
    int alert = 0;
};

agreement agree(std::vector<std::string> server, std::vector<std::string> client, certificate_ptr chosen, int version) {
    return test::run_io([&](asio::io_context& io) -> asio::awaitable<agreement> {
        tls_options options;
        options.version = version;
        options.server_alpn = server;
        options.client_alpn = client;
        tls_pair pair{io.get_executor(), options};
        agreement result;
        try {
            co_await test::establish(pair, chosen);
            result.protocol = pair.client->alpn_protocol();
            CHECK(pair.server->alpn_protocol() == result.protocol);
        } catch (const error& failed) {
            CHECK(failed.code() == errc::tls_failed);
        }
        result.alert = pair.client_alert;
        co_return result;
    });
}

}  // namespace

TEST_CASE("the server's order of protocols decides") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto agreed = agree({"h2", "http/1.1"}, {"http/1.1", "h2"}, test::certificate_for("a.test"), version);
    CHECK(agreed.protocol == "h2");
}

TEST_CASE("without a protocol in common the handshake ends with no_application_protocol") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto agreed = agree({"h2"}, {"http/1.1", "h2c"}, test::certificate_for("a.test"), version);
    CHECK(agreed.alert == SSL_AD_NO_APPLICATION_PROTOCOL);
}

TEST_CASE("a client or a server without ALPN agrees on nothing and goes on") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto silent_client = agree({"h2"}, {}, test::certificate_for("a.test"), version);
    CHECK(silent_client.protocol.empty());
    CHECK(silent_client.alert == 0);
    const auto silent_server = agree({}, {"h2"}, test::certificate_for("a.test"), version);
    CHECK(silent_server.protocol.empty());
    CHECK(silent_server.alert == 0);
}

TEST_CASE("acme-tls/1 is agreed on as the sole offer and with a challenge certificate") {
    // The client of these tests verifies, so it refuses a challenge certificate: after it agreed on the protocol.
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        options.version = version;
        options.server_alpn = {"h2"};
        options.client_alpn = {"acme-tls/1"};
        tls_pair pair{io.get_executor(), options};
        SSL_set_verify(pair.client->native_handle(), SSL_VERIFY_NONE, nullptr);
        const auto hello = co_await test::establish(pair, test::tls_ca::challenge(identifier{"a.test"}));
        CHECK(hello.is_challenge());
        CHECK(pair.client->alpn_protocol() == "acme-tls/1");

        // Whoever validates next must see the certificate of then.
        std::array<std::byte, 1> nothing;
        const auto read = pair.client->try_read(nothing);
        CHECK(read.error == asio::error::would_block);
        const SSL_SESSION* const session = SSL_get0_session(pair.client->native_handle());
        CHECK_FALSE(SSL_SESSION_is_resumable(session));
    });
}

TEST_CASE("acme-tls/1 is not agreed on with an ordinary certificate") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto agreed = agree({"h2"}, {"acme-tls/1"}, test::certificate_for("a.test"), version);
    CHECK(agreed.alert == SSL_AD_NO_APPLICATION_PROTOCOL);
}

TEST_CASE("acme-tls/1 beside other protocols is not a validation") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto first = agree({"h2"}, {"acme-tls/1", "h2"}, test::certificate_for("a.test"), version);
    CHECK(first.protocol == "h2");
    const auto twice = agree({"h2"}, {"acme-tls/1", "acme-tls/1"}, test::certificate_for("a.test"), version);
    CHECK(twice.alert == SSL_AD_NO_APPLICATION_PROTOCOL);
}

TEST_CASE("a server's list of protocols must not have acme-tls/1 or what is no protocol") {
    const std::string wrong = GENERATE(std::string{"acme-tls/1"}, std::string{}, std::string(256, 'a'));
    tls_server_options options;
    options.alpn_protocols = {"h2", wrong};
    CHECK_THROWS_AS(tls_server_context{options}, error);
}
