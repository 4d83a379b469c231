#include "client_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace client_test;

TEST_CASE("a request goes over the wire with what RFC 9112 wants, and its answer comes back") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        http_client_options options;
        options.user_agent = "tests/1.0";
        setting s{io, options};
        auto sent = s.send("POST", "http://ca.test:8080/acme/new?a=b", "{}");
        auto server = co_await s.net->accept();
        auto raw = co_await test::read_request(*server);
        CHECK(
            raw ==
            "POST /acme/new?a=b HTTP/1.1\r\nHost: ca.test:8080\r\nUser-Agent: tests/1.0 evercert/" EVERCERT_VERSION
            "\r\nContent-Length: 2\r\n\r\n{}");
        co_await write_all(
            *server, std::string_view{"HTTP/1.1 201 Created\r\nLocation: /1\r\nContent-Length: 4\r\n\r\nmade"});
        auto answer = co_await sent.join();
        CHECK(answer.status == 201);
        CHECK(answer.fields.get("location") == "/1");
        CHECK(answer.body == "made");
        CHECK(s.net->resolved == std::vector<std::string>{"ca.test"});
        CHECK(s.net->connected == std::vector<endpoint>{endpoint{asio::ip::make_address("192.0.2.1"), 8080}});
    });
}

TEST_CASE("a second request to the same origin takes the same connection") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        test::fake_network::stream_ptr server;
        for (int i = 0; i < 4; ++i) {
            auto sent = s.send(i % 2 ? "POST" : "GET", "http://ca.test/" + std::to_string(i));
            if (!server)
                server = co_await s.net->accept();
            co_await test::read_request(*server);
            co_await write_all(*server, ok);
            co_await sent.join();
            CHECK(s.client.idle_connections() == 1);
        }
        CHECK(s.net->connected.size() == 1);
        auto elsewhere = s.get("http://ca.test:81/");
        auto other = co_await s.net->accept();
        co_await write_all(*other, ok);
        co_await elsewhere.join();
        CHECK(s.net->connected.size() == 2);
    });
}

TEST_CASE("requests at the same time have a connection each") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        auto first = s.get();
        auto second = s.get();
        auto a = co_await s.net->accept();
        auto b = co_await s.net->accept();
        co_await write_all(*b, ok);
        co_await write_all(*a, ok);
        co_await first.join();
        co_await second.join();
        CHECK(s.client.idle_connections() == 2);
    });
}

TEST_CASE("a connection is not kept if the server closes it, sends too much, or ends the body by closing") {
    for (const std::string answer :
         {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n",
          "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 200 OK\r\n\r\nhi"}) {
        INFO(answer);
        test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
            setting s{io};
            auto sent = s.get();
            auto server = co_await s.net->accept();
            co_await test::read_request(*server);
            co_await write_all(*server, answer);
            server->shutdown_write();
            auto got = co_await sent.join();
            CHECK(got.body == "hi");
            CHECK(s.client.idle_connections() == 0);
        });
    }
}

TEST_CASE("idle connections are bounded in number and time") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        http_client_options options;
        options.idle_connections_max = 2;
        options.idle_timeout = 60s;
        setting s{io, options};
        std::vector<test::fake_network::stream_ptr> servers;
        for (const char* url : {"http://a.test/", "http://b.test/", "http://c.test/"}) {
            auto sent = s.get(url);
            servers.push_back(co_await s.net->accept());
            co_await test::read_request(*servers.back());
            co_await write_all(*servers.back(), ok);
            co_await sent.join();
        }
        CHECK(s.client.idle_connections() == 2);
        auto rest = co_await test::read_to_end(*servers[0]);
        CHECK(rest.empty());

        s.time->advance(60s);
        auto late = s.get("http://c.test/");
        servers.push_back(co_await s.net->accept());
        co_await write_all(*servers.back(), ok);
        co_await late.join();
        CHECK(s.net->connected.size() == 4);
        CHECK(s.client.idle_connections() == 1);
    });
}

TEST_CASE("a connection that the server closed while it was idle is not used again") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        auto first = s.get();
        auto server = co_await s.net->accept();
        co_await test::read_request(*server);
        co_await write_all(*server, ok);
        co_await first.join();
        server->close();
        auto second = s.send("POST", "http://ca.test/", "{}");
        auto next = co_await s.net->accept();
        co_await test::read_request(*next);
        co_await write_all(*next, ok);
        auto answer = co_await second.join();
        CHECK(answer.status == 200);
    });
}

TEST_CASE("a GET that dies on a reused connection is sent once more; a POST whose fate is unknown is not") {
    for (const std::string method : {"GET", "HEAD", "POST"}) {
        INFO(method);
        test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
            setting s{io};
            auto first = s.get();
            auto server = co_await s.net->accept();
            co_await test::read_request(*server);
            co_await write_all(*server, ok);
            co_await first.join();

            auto second = s.send(method, "http://ca.test/", method == "POST" ? "{}" : "");
            co_await test::read_request(*server);
            server->close();
            if (method == "POST") {
                co_await until_ended(second);
                CHECK(failure_of(second) == errc::connection_closed);
                CHECK(s.net->connected.size() == 1);
                co_return;
            }
            auto next = co_await s.net->accept();
            co_await test::read_request(*next);
            next->close();
            // Once: the new connection was not stale.
            co_await until_ended(second);
            CHECK(failure_of(second) == errc::connection_closed);
            CHECK(s.net->connected.size() == 2);
        });
    }
}

TEST_CASE("a POST that could not be written whole on a reused connection is sent once more") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        auto first = s.get();
        auto server = co_await s.net->accept();
        co_await test::read_request(*server);
        co_await write_all(*server, ok);
        co_await first.join();

        // More than the stream takes at once: the server closes before it has all.
        auto second = s.send("POST", "http://ca.test/", std::string(100'000, 'a'));
        co_await test::yield(5);
        server->close();
        auto next = co_await s.net->accept();
        co_await test::read_request(*next);
        co_await write_all(*next, ok);
        auto answer = co_await second.join();
        CHECK(answer.status == 200);
    });
}
