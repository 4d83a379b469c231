#include <sys/socket.h>

#include <asio/ip/tcp.hpp>

#include "acceptor_setting.hpp"

using namespace acceptor_test;

namespace {

asio::awaitable<std::string> exchange(tls_stream& with, std::string said) {
    co_await asio::async_write(with, asio::buffer(said), asio::use_awaitable);
    std::string heard(100, '\0');
    heard.resize(co_await with.async_read_some(asio::buffer(heard), asio::use_awaitable));
    co_return heard;
}

asio::awaitable<void> echo_once(tls_stream with) {
    std::string text(100, '\0');
    text.resize(co_await with.async_read_some(asio::buffer(text), asio::use_awaitable));
    co_await asio::async_write(with, asio::buffer(text), asio::use_awaitable);
    co_await with.async_shutdown(asio::use_awaitable);
}

asio::awaitable<void> accept_and_echo(tls_acceptor& on) {
    tls_stream accepted = co_await on.accept();
    co_await echo_once(std::move(accepted));
}

/// Opens and says "hello"; what it hears.
asio::awaitable<std::string> greet(site& s, std::string name) {
    const auto client = co_await s.open(std::move(name));
    co_return co_await exchange(*client, "hello");
}

/// How the peer ends: what reading from it fails with.
asio::awaitable<std::error_code> end_of(stream& from) {
    for (;;) {
        std::array<std::byte, 100> buffer;
        const auto result = from.try_read(buffer);
        if (result.error == asio::error::would_block)
            co_await from.wait_readable();
        else if (result.error)
            co_return result.error;
    }
}

}  // namespace

TEST_CASE("accept gives an established connection with its name, protocol, certificate and addresses") {
    tls_acceptor_options options;
    options.tls.alpn_protocols = {"mqtt"};
    site s{options};
    started<std::unique_ptr<tls_stream>> opening{s.io.get_executor(), s.open("A.test.", {"mqtt"})};
    const auto accepted = s.run(s.acceptor.accept());
    s.until([&] { return opening.ended(); });
    const auto client = opening.take();
    CHECK(accepted.server_name() == "a.test");
    CHECK(accepted.alpn_protocol() == "mqtt");
    CHECK(accepted.certificate()->covers("a.test"));
    CHECK_FALSE(accepted.resumed());
    CHECK_FALSE(accepted.client());
    CHECK(accepted.local_endpoint() == s.at);
    CHECK(accepted.remote_endpoint() == client->local_endpoint());
    CHECK(s.certificates.last.remote == client->local_endpoint());
    CHECK(s.certificates.ended == std::vector{handshake_result::established});
    CHECK(s.acceptor.local_endpoints() == std::vector{s.at});
    CHECK(s.acceptor.connections() == 1);
}

TEST_CASE("clients that say nothing keep nobody else from being accepted") {
    site s;
    std::vector<std::unique_ptr<stream>> silent;
    for (int i = 0; i < 20; ++i)
        silent.push_back(s.run(s.connect()));
    started<void> serving{s.io.get_executor(), accept_and_echo(s.acceptor)};
    CHECK(s.run(greet(s, "a.test")) == "hello");
    CHECK(s.acceptor.handshakes() == 20);
}

TEST_CASE("a validation of the CA is answered and never seen, also where clients must have certificates") {
    const auto clients = GENERATE(client_authentication::none, client_authentication::required);
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    tls_acceptor_options options;
    options.tls.client_certificates = clients;
    if (clients == client_authentication::required)
        options.tls.client_ca_file = test::shared_ca().root_file();
    site s{options};
    started<tls_stream> accepting{s.io.get_executor(), s.acceptor.accept()};
    auto unverified = tls_client_context::unverified(system_clock());
    s.run([](site& on, const tls_client_context& context, int version) -> asio::awaitable<void> {
        auto below = co_await on.connect();
        std::vector<std::string> protocols{"acme-tls/1"};
        tls_stream validator{std::move(below), context, "a.test", std::move(protocols)};
        SSL_set_max_proto_version(validator.native_handle(), version);
        co_await validator.handshake();
        CHECK(validator.alpn_protocol() == "acme-tls/1");
        const auto end = co_await end_of(validator);
        CHECK(end == asio::error::eof);
    }(s, unverified, version));
    s.until([&] { return s.acceptor.handshakes() == 0; });
    CHECK_FALSE(accepting.ended());
    CHECK(s.acceptor.connections() == 0);
}

TEST_CASE("a client that the source refuses gets the alert, and the next one is served") {
    site s;
    s.certificates.refusal = std::make_exception_ptr(error{errc::name_not_allowed, "not here"});
    int alert = 0;
    const auto refused =
        s.run(test::failure_of(s.open("a.test", {}, [&](SSL* ssl) { test::record_alerts(ssl, alert); })));
    CHECK(refused == errc::tls_failed);
    CHECK(alert == SSL_AD_UNRECOGNIZED_NAME);
    s.certificates.refusal = nullptr;
    started<void> serving{s.io.get_executor(), accept_and_echo(s.acceptor)};
    CHECK(s.run(greet(s, "a.test")) == "hello");
    CHECK(s.has_logged("not here"));
}

TEST_CASE("a handshake that takes too long is closed, whatever it waits for from its client") {
    tls_acceptor_options options;
    options.handshakes.timeout = 30ms;
    site s{options};
    const std::string begin = GENERATE("", "\x16\x03\x01\x02");
    const auto client = s.run(s.connect());
    s.run(write_all(*client, begin));
    const auto end = s.run(end_of(*client));
    CHECK((end == asio::error::eof || end == asio::error::connection_reset));
    CHECK(s.acceptor.handshakes() == 0);
    CHECK(s.acceptor.connections() == 0);
    s.until([&] { return s.has_logged("took too long"); });
}

TEST_CASE("the time in which a certificate is awaited does not count") {
    tls_acceptor_options options;
    options.handshakes.timeout = 100ms;
    site s{options};
    s.certificates.waits = true;
    started<std::unique_ptr<tls_stream>> opening{s.io.get_executor(), s.open("a.test")};
    s.until([&] { return s.certificates.asked == 1; });
    const auto later = std::chrono::steady_clock::now() + 300ms;
    s.until([&] { return std::chrono::steady_clock::now() > later; });
    CHECK(s.acceptor.handshakes() == 1);
    s.certificates.release();
    CHECK(s.run(s.acceptor.accept()).server_name() == "a.test");
}

TEST_CASE("when handshakes_max are in progress, slow clients have less time, and the others wait for it") {
    tls_acceptor_options options;
    options.handshakes.in_progress_max = 2;
    options.handshakes.timeout = 60s;
    options.handshakes.timeout_when_full = 50ms;
    site s{options};
    const auto one = s.run(s.connect()), other = s.run(s.connect());
    s.until([&] { return s.acceptor.handshakes() == 2; });
    started<void> serving{s.io.get_executor(), accept_and_echo(s.acceptor)};
    CHECK(s.run(greet(s, "a.test")) == "hello");
    const auto end = s.run(end_of(*one));
    CHECK((end == asio::error::eof || end == asio::error::connection_reset));
}

TEST_CASE("beyond the limits of a client or of the server a connection is closed at once") {
    tls_acceptor_options options;
    const int which = GENERATE(0, 1, 2);
    if (which == 0)
        options.connections.connections_max = 2;
    else if (which == 1)
        options.connections.connections_per_address_max = 2;
    else
        options.handshakes.per_address_max = 2;
    site s{options};
    auto one = s.run(s.connect());
    const auto other = s.run(s.connect());
    s.until([&] { return s.acceptor.handshakes() == 2; });
    const auto third = s.run(s.connect());
    const auto end = s.run(end_of(*third));
    CHECK((end == asio::error::eof || end == asio::error::connection_reset));
    const char* const texts[] = {"connections_max open", "connections_per_address_max", "handshakes in progress"};
    CHECK(s.has_logged(texts[which]));
    // One that ends makes room.
    one.reset();
    s.until([&] { return s.acceptor.handshakes() == 1; });
    started<void> serving{s.io.get_executor(), accept_and_echo(s.acceptor)};
    CHECK(s.run(greet(s, "a.test")) == "hello");
}

TEST_CASE("a connection of the application is counted until it is closed") {
    tls_acceptor_options options;
    options.connections.connections_per_address_max = 1;
    site s{options};
    started<std::unique_ptr<tls_stream>> opening{s.io.get_executor(), s.open("a.test")};
    auto accepted = s.run(s.acceptor.accept());
    s.until([&] { return opening.ended(); });
    const auto first = opening.take();
    CHECK(s.acceptor.handshakes() == 0);
    CHECK(s.run(test::failure_of(s.open("a.test"))) == errc::connection_closed);
    accepted.close();
    CHECK(s.acceptor.connections() == 0);
    started<void> serving{s.io.get_executor(), accept_and_echo(s.acceptor)};
    CHECK(s.run(greet(s, "a.test")) == "hello");
}

TEST_CASE("no more handshakes begin while nobody accepts, and all are accepted in the end") {
    tls_acceptor_options options;
    options.established_max = 2;
    site s{options};
    constexpr int clients = 6;
    std::vector<std::unique_ptr<started<std::string>>> greeting;
    for (int i = 0; i < clients; ++i)
        greeting.push_back(std::make_unique<started<std::string>>(s.io.get_executor(), greet(s, "a.test")));
    s.until([&] { return s.certificates.ended.size() >= 2; });
    const auto later = std::chrono::steady_clock::now() + 50ms;
    s.until([&] { return std::chrono::steady_clock::now() > later; });
    // Those that had begun when the second was done.
    const auto begun = s.certificates.ended.size();
    CHECK(begun <= clients);
    for (int i = 0; i < clients; ++i)
        s.run(accept_and_echo(s.acceptor));
    for (auto& each : greeting) {
        s.until([&] { return each->ended(); });
        CHECK(each->take() == "hello");
    }
}

TEST_CASE("an accept that is cancelled loses no connection") {
    site s;
    started<tls_stream> accepting{s.io.get_executor(), s.acceptor.accept()};
    s.io.poll();
    accepting.cancel();
    s.until([&] { return accepting.ended(); });
    CHECK_THROWS_AS(accepting.take(), std::system_error);
    started<void> serving{s.io.get_executor(), accept_and_echo(s.acceptor)};
    CHECK(s.run(greet(s, "a.test")) == "hello");
}

TEST_CASE("connections that come between a cancelled accept and the next one are not lost") {
    site s;
    started<tls_stream> accepting{s.io.get_executor(), s.acceptor.accept()};
    s.io.poll();
    accepting.cancel();
    s.until([&] { return accepting.ended(); });
    started<std::unique_ptr<tls_stream>> opening{s.io.get_executor(), s.open("a.test")};
    s.until([&] { return opening.ended() && s.acceptor.handshakes() == 0; });
    const auto client = opening.take();
    const auto accepted = s.run(s.acceptor.accept());
    CHECK(accepted.server_name() == "a.test");
}

TEST_CASE("what nobody has accepted is closed by stop()") {
    site s;
    started<std::unique_ptr<tls_stream>> opening{s.io.get_executor(), s.open("a.test")};
    s.until([&] { return opening.ended() && s.acceptor.handshakes() == 0; });
    const auto client = opening.take();
    CHECK(s.acceptor.connections() == 1);
    s.acceptor.stop();
    CHECK(s.acceptor.connections() == 0);
    std::array<std::byte, 1> nothing;
    CHECK(s.run(test::failure_of(read_some(*client, nothing))) == errc::connection_closed);
}

TEST_CASE("a source may throw before it returns a coroutine") {
    struct hasty final : certificate_source {
        asio::awaitable<certificate_ptr> get_certificate(client_hello) override {
            throw error{errc::name_not_allowed, "no"};
        }
    };
    asio::io_context io;
    hasty none;
    tls_acceptor_options options;
    options.handshakes.awaiting_certificate_max = 2;
    tls_acceptor acceptor{io, none, options};
    const auto at = acceptor.listen(loopback());
    const tls_client_context trusting{test::shared_ca().root_file(), std::make_shared<test::still_clock>()};
    for (int i = 0; i < 5; ++i) {
        INFO(i);
        auto below = test::run_io(io, system_network()->connect(at));
        tls_stream client{std::move(below), trusting, "a.test", {}};
        std::string said;
        try {
            test::run_io(io, client.handshake());
        } catch (const error& e) {
            said = e.what();
        }
        // The alert unrecognized_name, also when as many as may wait have been refused.
        CHECK(said.find("unrecognized name") != said.npos);
    }
    acceptor.stop();
    io.restart();
    io.run_for(1s);
    CHECK(acceptor.handshakes() == 0);
}

TEST_CASE("stopping ends accepts, handshakes and listeners, and leaves what was accepted") {
    site s;
    started<std::unique_ptr<tls_stream>> opening{s.io.get_executor(), s.open("a.test")};
    auto accepted = s.run(s.acceptor.accept());
    s.until([&] { return opening.ended(); });
    const auto client = opening.take();
    const auto silent = s.run(s.connect());
    s.certificates.waits = true;
    started<std::unique_ptr<tls_stream>> waiting{s.io.get_executor(), s.open("b.test")};
    s.until([&] { return s.acceptor.handshakes() == 2; });
    started<tls_stream> accepting{s.io.get_executor(), s.acceptor.accept()};
    s.io.poll();

    s.run(s.acceptor.close());
    CHECK(s.acceptor.handshakes() == 0);
    s.until([&] { return accepting.ended() && waiting.ended(); });
    CHECK_THROWS_AS(waiting.take(), error);
    try {
        accepting.take();
        FAIL("it was stopped");
    } catch (const error& stopped) {
        CHECK(stopped.code() == errc::stopped);
    }
    CHECK(s.run(test::failure_of(s.connect())) == errc::connect_failed);
    started<void> echoing{s.io.get_executor(), echo_once(std::move(accepted))};
    CHECK(s.run(exchange(*client, "still")) == "still");
    s.run(s.acceptor.close());
    CHECK(s.run(test::failure_of(s.acceptor.accept())) == errc::stopped);
}

TEST_CASE("one acceptor listens in several places, on sockets of the application too") {
    site s;
    const auto second = s.acceptor.listen(loopback());
    asio::ip::tcp::acceptor own{s.io, {asio::ip::address_v4::loopback(), 0}};
    const auto third = s.acceptor.listen(own.release());
    CHECK(s.acceptor.local_endpoints() == std::vector{s.at, second, third});
    for (const auto& at : {s.at, second, third}) {
        s.at = at;
        started<void> serving{s.io.get_executor(), accept_and_echo(s.acceptor)};
        CHECK(s.run(greet(s, "a.test")) == "hello");
    }
}

TEST_CASE("what cannot be listened on is refused with what to do about it") {
    site s;
    const auto text = [&](auto listen) -> std::string {
        try {
            listen();
        } catch (const error& refused) {
            CHECK(refused.code() == errc::listen_failed);
            return refused.what();
        }
        return "";
    };
    CHECK_THAT(
        text([&] { s.acceptor.listen(s.at); }), Catch::Matchers::ContainsSubstring("another socket has this port"));
    CHECK_THAT(text([&] { s.acceptor.listen(-1); }), Catch::Matchers::ContainsSubstring("no socket"));
    CHECK_THAT(
        text([&] { s.acceptor.listen(::socket(AF_INET, SOCK_DGRAM, 0)); }),
        Catch::Matchers::ContainsSubstring("ListenStream="));
    CHECK_THAT(
        text([&] { s.acceptor.listen(::socket(AF_INET, SOCK_STREAM, 0)); }),
        Catch::Matchers::ContainsSubstring("Accept=no"));
}

TEST_CASE("several acceptors share a port if their network says so") {
    tls_acceptor_options options;
    network_options sharing;
    sharing.reuse_port = true;
    options.network = system_network(sharing);
    site s{options};
    tls_acceptor other{s.io, s.certificates, options};
    CHECK(other.listen(s.at) == s.at);
    for (int i = 0; i < 5; ++i) {
        started<void> one{s.io.get_executor(), accept_and_echo(s.acceptor)};
        started<void> two{s.io.get_executor(), accept_and_echo(other)};
        CHECK(s.run(greet(s, "a.test")) == "hello");
    }
}

TEST_CASE("options out of range are refused") {
    asio::io_context io;
    source none{io.get_executor()};
    const auto made = [&](auto change) -> std::error_code {
        tls_acceptor_options options;
        change(options);
        try {
            tls_acceptor{io, none, options};
        } catch (const error& refused) {
            return refused.code();
        }
        return {};
    };
    CHECK_FALSE(made([](auto&) {}));
    CHECK(made([](auto& o) { o.established_max = 0; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.connections.connections_max = 0; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.handshakes.timeout = 0ms; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.handshakes.timeout_when_full = 0ms; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.handshakes.timeout = std::chrono::milliseconds::max(); }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.handshakes.in_progress_max = 0; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.handshakes.awaiting_certificate_max = 0; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.tls.client_ca_file = "roots"; }) == errc::invalid_options);
}
