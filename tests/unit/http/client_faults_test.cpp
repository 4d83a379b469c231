#include "client_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace client_test;

TEST_CASE("a connection that closes early on is an error that says when") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        const std::vector<std::pair<std::string, std::string>> table = {
            {"", "before it answered"},
            {"HTTP/1.1 200 OK\r\nContent-", "in the middle of its answer"},
            {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "in the middle of its answer"},
            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "in the middle of its answer"}};
        for (const auto& [part, when] : table) {
            auto sent = s.get();
            auto server = co_await s.net->accept();
            co_await test::read_request(*server);
            co_await write_all(*server, part);
            server->close();
            co_await until_ended(sent);
            std::string text;
            CHECK(failure_of(sent, &text) == errc::connection_closed);
            CHECK(text.find(when) != std::string::npos);
        }
        CHECK(s.client.idle_connections() == 0);
    });
}

TEST_CASE("what is no HTTP is refused, and a page of HTML is an answer") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        for (const std::string answer :
             {"<html>not http</html>\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
              "SSH-2.0-OpenSSH_9.2\r\n\r\n"}) {
            auto sent = s.get();
            auto server = co_await s.net->accept();
            co_await write_all(*server, answer);
            co_await until_ended(sent);
            CHECK(failure_of(sent) == errc::http_malformed);
        }
        auto sent = s.get();
        auto server = co_await s.net->accept();
        co_await write_all(
            *server, std::string_view{"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 13\r\n\r\n<html></html>"});
        auto page = co_await sent.join();
        CHECK(page.status == 502);
        CHECK(page.body == "<html></html>");
    });
}

TEST_CASE("an answer without end stops at its bound") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        http_client_options options;
        options.body_max = 1000;
        setting s{io, options};
        const std::string endless(4000, 'a');
        for (const std::string& answer :
             {"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + endless, "HTTP/1.1 200 OK\r\n\r\n" + endless,
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfa0\r\n" + endless,
              "HTTP/1.1 200 OK\r\nA: " + std::string(65'536, 'a')}) {
            auto sent = s.get();
            auto server = co_await s.net->accept();
            auto writing = test::started<void>{io.get_executor(), write_all(*server, answer)};
            co_await until_ended(sent);
            CHECK(failure_of(sent) == errc::body_too_large);
            co_await test::yield(5);
        }
        auto sent = s.get();
        auto server = co_await s.net->accept();
        for (int i = 0; i < 20; ++i)
            co_await write_all(*server, std::string_view{"HTTP/1.1 103 Early Hints\r\n\r\n"});
        co_await until_ended(sent);
        CHECK(failure_of(sent) == errc::http_malformed);
    });
}

TEST_CASE("interim answers go before the final one") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        auto sent = s.get();
        auto server = co_await s.net->accept();
        co_await write_all(*server, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + ok);
        auto answer = co_await sent.join();
        CHECK(answer.body == "hi");
        CHECK(s.client.idle_connections() == 1);
    });
}

TEST_CASE("the answer to a HEAD has no body, whatever length it names") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        auto sent = s.send("HEAD", "http://ca.test/nonce");
        auto server = co_await s.net->accept();
        co_await write_all(
            *server, std::string_view{"HTTP/1.1 200 OK\r\nReplay-Nonce: n\r\nContent-Length: 99\r\n\r\n"});
        auto answer = co_await sent.join();
        CHECK(answer.fields.get("Replay-Nonce") == "n");
        CHECK(s.client.idle_connections() == 1);
    });
}

TEST_CASE("each wait of a request has its own limit, and the error names it") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        std::string text;

        s.net->resolver_hangs = true;
        auto resolving = s.get();
        co_await test::yield(10);
        s.time->advance(10s);
        co_await until_ended(resolving);
        CHECK(failure_of(resolving, &text) == errc::timed_out);
        CHECK(text.find("resolving \"ca.test\" took longer than 10 s") != std::string::npos);
        s.net->resolver_hangs = false;

        s.net->unreachable.insert(s.net->addresses[0]);
        auto connecting = s.get();
        co_await test::yield(10);
        s.time->advance(10s);
        co_await until_ended(connecting);
        CHECK(failure_of(connecting, &text) == errc::connect_failed);
        CHECK(text.find("192.0.2.1:80 took longer than 10 s") != std::string::npos);
        s.net->unreachable.clear();

        auto shaking = s.get("https://ca.test/");
        auto silent = co_await s.net->accept();
        co_await test::yield(10);
        s.time->advance(10s);
        co_await until_ended(shaking);
        CHECK(failure_of(shaking, &text) == errc::timed_out);
        CHECK(text.find("the TLS handshake with ca.test took longer than 10 s") != std::string::npos);

        // A byte now and then does not make it longer.
        auto waiting = s.get();
        auto slow = co_await s.net->accept();
        for (int i = 0; i < 6; ++i) {
            CHECK_FALSE(waiting.ended());
            co_await write_all(*slow, ok.substr(static_cast<std::size_t>(i), 1));
            co_await test::yield(10);
            s.time->advance(10s);
        }
        co_await until_ended(waiting);
        CHECK(failure_of(waiting, &text) == errc::timed_out);
        CHECK(text.find("the answer of ca.test took longer than 60 s") != std::string::npos);
        CHECK(s.client.idle_connections() == 0);
    });
}

TEST_CASE("addresses are tried in order until one accepts") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        s.net->addresses = {asio::ip::make_address("2001:db8::1"), asio::ip::make_address("192.0.2.1")};
        s.net->refusing.insert(s.net->addresses[0]);
        auto sent = s.get();
        auto server = co_await s.net->accept();
        co_await write_all(*server, ok);
        co_await sent.join();
        CHECK(s.net->connected.size() == 2);

        s.net->refusing.insert(s.net->addresses[1]);
        auto nowhere = s.get("http://other.test/");
        co_await until_ended(nowhere);
        CHECK(failure_of(nowhere) == errc::connect_failed);
    });
}

TEST_CASE("cancelling a request leaves no connection behind, whatever it waits for") {
    for (const int point : {0, 1, 2, 3, 4}) {
        INFO(point);
        test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
            setting s{io};
            s.net->resolver_hangs = point == 0;
            if (point == 1)
                s.net->unreachable.insert(s.net->addresses[0]);
            auto sent = s.send("POST", point == 2 ? "https://ca.test/" : "http://ca.test/", std::string(100'000, 'a'));
            test::fake_network::stream_ptr server;
            if (point >= 2)
                server = co_await s.net->accept();
            if (point == 4)
                co_await test::read_request(*server);
            co_await test::yield(10);
            sent.cancel();
            co_await until_ended(sent);
            CHECK(failure_of(sent) == asio::error::operation_aborted);
            CHECK(s.client.idle_connections() == 0);
            if (server)
                co_await test::read_to_end(*server);
        });
    }
}

TEST_CASE("a client takes the URLs that it was made for") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        http_client https_only{{}, s.time, s.net, logger{}};
        for (const std::string url : {"http://ca.test/", "ftp://ca.test/", "/directory", "https://u@ca.test/", ""}) {
            request message{"GET", url};
            test::started<response> sent{io.get_executor(), https_only.send(std::move(message))};
            co_await until_ended(sent);
            CHECK(failure_of(sent) == errc::http_malformed);
        }
        CHECK(s.net->resolved.empty());
    });
}

TEST_CASE("a field that would split the request is not sent") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        request message{"GET", "http://ca.test/"};
        message.fields.add("A", "b\r\nC: d");
        test::started<response> sent{io.get_executor(), s.client.send(std::move(message))};
        co_await until_ended(sent);
        CHECK(failure_of(sent) == errc::http_malformed);
        CHECK(s.net->connected.empty());
    });
}

TEST_CASE("options out of range are refused when the client is made") {
    asio::io_context io;
    const auto made = [&](auto change) {
        http_client_options options;
        change(options);
        try {
            setting s{io, options};
        } catch (const error& e) {
            return e.code();
        }
        return std::error_code{};
    };
    CHECK(made([](auto& o) { o.response_timeout = 0ms; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.connect_timeout = -1ms; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.response_timeout = std::chrono::milliseconds::max(); }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.idle_timeout = std::chrono::milliseconds::max(); }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.body_max = 0; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.user_agent = "a\r\nB: c"; }) == errc::invalid_options);
    CHECK_FALSE(made([](auto&) {}));
}
