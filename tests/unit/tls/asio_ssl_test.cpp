#include <asio/ip/tcp.hpp>
#include <asio/ssl.hpp>

#include <evercert/asio_ssl.hpp>

#include "base/event.hpp"
#include "tls/server_handshake.hpp"
#include "tls_test.hpp"

using namespace evercert;
using asio::ip::tcp;
using test::started;
using ssl_stream = asio::ssl::stream<tcp::socket>;

namespace {

/// Answers after a while, once the test lets it.
class slow_source final : public certificate_source {
public:
    explicit slow_source(asio::any_io_executor executor) : released_{std::move(executor)} {}

    asio::awaitable<certificate_ptr> get_certificate(client_hello hello) override {
        asked.push_back(hello);
        while (!open)
            co_await released_.wait();
        if (refusal)
            std::rethrow_exception(refusal);
        co_return hello.is_challenge() ? test::tls_ca::challenge(identifier{hello.server_name}) : chosen;
    }
    void handshake_ended(const certificate_ptr& used, handshake_result result) noexcept override {
        ended_with = used;
        ended.push_back(result);
    }
    void release() {
        open = true;
        released_.notify_all();
    }

    std::vector<client_hello> asked;
    bool open = false;
    certificate_ptr chosen = test::certificate_for("a.test");
    std::exception_ptr refusal;
    std::vector<handshake_result> ended;
    certificate_ptr ended_with;

private:
    event released_;
};

/// A server with asio::ssl and a client of it, connected on loopback.
struct asio_pair {
    explicit asio_pair(asio::io_context& io, int version = TLS1_3_VERSION, std::vector<std::string> client_alpn = {}) {
        tcp::acceptor acceptor{io, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
        tcp::socket connecting{io};
        connecting.connect(acceptor.local_endpoint());
        connecting.non_blocking(true);
        port = connecting.local_endpoint().port();
        accepted = std::make_unique<tcp::socket>(acceptor.accept());
        client = std::make_unique<tls_stream>(
            socket_stream(std::move(connecting)), client_context, "a.test", std::move(client_alpn));
        SSL_set_max_proto_version(client->native_handle(), version);
        test::record_alerts(client->native_handle(), client_alert);
    }

    /// A prepared context is needed before the stream is made.
    void make_server() { server = std::make_unique<ssl_stream>(std::move(*accepted), context); }

    static std::unique_ptr<stream> socket_stream(tcp::socket);

    asio::ssl::context context{asio::ssl::context::tls_server};
    tls_client_context client_context{test::shared_ca().root_file(), std::make_shared<test::still_clock>()};
    std::unique_ptr<tcp::socket> accepted;
    std::unique_ptr<ssl_stream> server;
    std::unique_ptr<tls_stream> client;
    std::uint16_t port = 0;
    int client_alert = 0;
};

/// asio's socket as the stream that tls_stream wants.
class asio_stream final : public stream {
public:
    explicit asio_stream(tcp::socket socket) : socket_{std::move(socket)} {}
    io_result try_read(std::span<std::byte> into) noexcept override {
        io_result result;
        result.size = socket_.read_some(asio::buffer(into.data(), into.size()), result.error);
        return result;
    }
    io_result try_write(std::span<const std::byte> from) noexcept override {
        io_result result;
        result.size = socket_.write_some(asio::buffer(from.data(), from.size()), result.error);
        return result;
    }
    asio::awaitable<void> wait_readable() override {
        co_await socket_.async_wait(tcp::socket::wait_read, asio::use_awaitable);
    }
    asio::awaitable<void> wait_writable() override {
        co_await socket_.async_wait(tcp::socket::wait_write, asio::use_awaitable);
    }
    void shutdown_write() noexcept override {
        asio::error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_send, ignored);
    }
    void close() noexcept override {
        asio::error_code ignored;
        socket_.close(ignored);
    }
    asio::any_io_executor get_executor() const override { return const_cast<tcp::socket&>(socket_).get_executor(); }
    endpoint local_endpoint() const override { return detail::local_endpoint_of(socket_); }
    endpoint remote_endpoint() const override { return detail::remote_endpoint_of(socket_); }

private:
    tcp::socket socket_;
};

std::unique_ptr<stream> asio_pair::socket_stream(tcp::socket socket) {
    return std::make_unique<asio_stream>(std::move(socket));
}

asio::awaitable<asio::error_code> plain_handshake(ssl_stream& server) {
    asio::error_code failed;
    co_await server.async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, failed));
    co_return failed;
}

template <typename T>
std::error_code code_of(started<T>& work) {
    try {
        work.take();
    } catch (const std::system_error& thrown) {
        return thrown.code();
    }
    return {};
}

}  // namespace

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
