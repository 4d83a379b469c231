#include "http_server_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace http_server_test;

TEST_CASE("a server answers on its plain and its TLS port until it is stopped") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        auto client = s.client();
        for (const std::string scheme : {"http", "https"}) {
            for (int i = 0; i < 2; ++i) {
                request message{"GET", s.url(scheme, "a.test", "/b?c")};
                auto answer = co_await client.send(std::move(message));
                CHECK(answer.status == 200);
                CHECK(answer.body == "GET a.test/b?c by " + std::string{scheme == "https" ? "a.test" : ""});
            }
        }
        CHECK(client.idle_connections() == 2);
        CHECK(s.server.connections() == 2);
        s.server.stop(10s);
        co_await s.running->join();
        CHECK(s.server.connections() == 0);
        request late{"GET", s.url("http")};
        auto refused = co_await code_of(client.send(std::move(late)));
        CHECK(refused == errc::connect_failed);
    });
}

TEST_CASE("stopping with open idle connections leaves no descriptor behind") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto client_streams = std::vector<std::unique_ptr<stream>>{};
        // The loop's own descriptors come with its first socket.
        {
            setting warm_up{io};
            warm_up.server.stop(0s);
            co_await warm_up.running->join();
        }
        const auto before = test::open_descriptors();
        {
            setting s{io};
            for (int i = 0; i < 10; ++i) {
                client_streams.push_back(co_await s.connect(s.plain));
                client_streams.push_back(co_await s.connect(s.secure));
            }
            co_await s.until([&] { return s.server.connections() == 20; });
            s.server.stop(0s);
            co_await s.running->join();
            for (auto& each : client_streams) {
                auto rest = co_await test::read_to_end(*each);
                CHECK(rest.empty());
            }
            client_streams.clear();
        }
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("a client does not trust another CA, nor a certificate for another name") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        s.source.by_name["b.test"] = s.source.by_name["a.test"];
        auto client = s.client();
        request other_name{"GET", s.url("https", "b.test")};
        auto refused = co_await code_of(client.send(std::move(other_name)));
        CHECK(refused == errc::peer_untrusted);

        test::authority other{s.time->wall()};
        test::write_all_to(s.folder.file("roots"), other.root_pem());
        auto distrusting = s.client();
        request other_root{"GET", s.url("https")};
        refused = co_await code_of(distrusting.send(std::move(other_root)));
        CHECK(refused == errc::peer_untrusted);
        CHECK(client.idle_connections() + distrusting.idle_connections() == 0);
        s.server.stop(10s);
        co_await s.running->join();
    });
}

TEST_CASE("a name that the source refuses gets an alert, and the server goes on") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        auto client = s.client();
        request unknown{"GET", s.url("https", "unknown.test")};
        auto refused = co_await code_of(client.send(std::move(unknown)));
        CHECK(refused == errc::tls_failed);
        request known{"GET", s.url("https")};
        auto answer = co_await client.send(std::move(known));
        CHECK(answer.status == 200);
        s.server.stop(10s);
        co_await s.running->join();
    });
}

TEST_CASE("a challenge connection ends after its handshake") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        s.source.challenge = make_challenge_certificate("a.test", "token.thumbprint", s.time->wall());
        const tls_client_context trusting{s.folder.file("roots"), s.time};
        auto connection = co_await s.connect(s.secure);
        std::vector<std::string> protocols{"acme-tls/1"};
        tls_stream validator{std::move(connection), trusting, "a.test", std::move(protocols)};
        // RFC 8737, section 3: the certificate is self-signed; a validator looks at its extension.
        SSL_set_verify(validator.native_handle(), SSL_VERIFY_NONE, nullptr);
        co_await validator.handshake();
        CHECK(validator.alpn_protocol() == "acme-tls/1");
        auto rest = co_await test::read_to_end(validator);
        CHECK(rest.empty());
        s.server.stop(10s);
        co_await s.running->join();
    });
}

TEST_CASE("who does not finish the handshake is closed after its time") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        server_options options;
        options.handshakes.timeout = 50ms;
        setting s{io, options};
        auto silent = co_await s.connect(s.secure);
        auto rest = co_await test::read_to_end(*silent);
        CHECK(rest.empty());
        auto wrong = co_await s.connect(s.secure);
        co_await write_all(*wrong, std::string_view{"GET / HTTP/1.1\r\n\r\n"});
        co_await s.until([&] { return s.server.connections() == 0; });
        s.server.stop(0s);
        co_await s.running->join();
    });
}

TEST_CASE("the time in which a certificate is awaited is not the handshake's") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        server_options options;
        options.handshakes.timeout = 200ms;
        setting s{io, options};
        event ready{io.get_executor()};
        s.source.wait = &ready;
        auto client = s.client();
        request message{"GET", s.url("https")};
        test::started<response> sent{io.get_executor(), client.send(std::move(message))};
        co_await s.time->sleep_for(400ms);
        CHECK_FALSE(sent.ended());
        ready.notify_all();
        auto answer = co_await sent.join();
        CHECK(answer.status == 200);

        // One that waits still when the server stops is let go.
        request other{"GET", s.url("https")};
        auto second = s.client();
        test::started<response> waiting{io.get_executor(), second.send(std::move(other))};
        co_await s.until([&] { return s.server.connections() == 2; });
        s.server.stop(0s);
        co_await s.running->join();
        CHECK(s.server.connections() == 0);
    });
}
