#include "server_connection_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace server_connection_test;

TEST_CASE("a request is answered and the connection stays for the next") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        for (int i = 0; i < 3; ++i) {
            co_await s.send("POST /b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi");
            auto answer = co_await test::read_response(*s.client);
            CHECK(answer.status == 200);
            CHECK(answer.body == "POST /b hi");
            CHECK(answer.fields.get("Date") == "Mon, 01 Jun 2026 00:00:00 GMT");
            CHECK_FALSE(answer.fields.has("Connection"));
        }
        s.client->close();
        co_await s.running->join();
    });
}

TEST_CASE("a request that came whole is one read, and the next is waited for without another") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        co_await test::yield(5);
        for (int i = 1; i <= 3; ++i) {
            co_await s.send(get);
            const auto answer = co_await test::read_response(*s.client);
            CHECK(answer.status == 200);
            co_await test::yield(5);
            CHECK(s.reads->some == i);
            CHECK(s.reads->nothing == 1);  // before the first
        }
    });
}

TEST_CASE("a request that comes in pieces is read as they come") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        for (int i = 0; i < 2; ++i) {
            for (const char each : get) {
                co_await s.send(std::string(1, each));
                co_await test::yield(5);
            }
            const auto answer = co_await test::read_response(*s.client);
            CHECK(answer.status == 200);
        }
    });
}

TEST_CASE("a handler sees who asked, for which host, by which server name") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto who = [](request message) -> asio::awaitable<response> {
            co_return response{message.host + " " + message.server_name};
        };
        setting s{io, who};
        co_await s.send("GET / HTTP/1.1\r\nHost: A.test:443\r\n\r\n");
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.body == "a.test sni.test");
    });
}

TEST_CASE("pipelined requests are answered one at a time, in order") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        std::string many;
        for (int i = 0; i < 2000; ++i)
            many += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a.test\r\n\r\n";
        test::started<void> sending{io.get_executor(), s.send(many)};
        for (int i = 0; i < 2000; ++i) {
            auto answer = co_await test::read_response(*s.client);
            REQUIRE(answer.body == "GET /" + std::to_string(i) + " ");
        }
        co_await sending.join();
    });
}

TEST_CASE("a client that closed its half gets all its answers") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        co_await s.send(get + get);
        s.client->shutdown_write();
        auto all = co_await test::read_to_end(*s.client);
        CHECK(all.find("200 OK") != all.rfind("200 OK"));
        co_await s.running->join();
    });
}

TEST_CASE("the answer to a HEAD has the length of the body that it does not have") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        co_await s.send("HEAD /a HTTP/1.1\r\nHost: a.test\r\n\r\n" + get);
        auto head = co_await test::read_response(*s.client, true);
        CHECK(head.fields.get("Content-Length") == "8");
        auto next = co_await test::read_response(*s.client);
        CHECK(next.body == "GET /a ");
    });
}

TEST_CASE("a client that waits for 100 Continue gets it before its body is read") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        co_await s.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
        auto interim = co_await test::read_response(*s.client);
        CHECK(interim.status == 100);
        co_await s.send("hi");
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.body == "PUT / hi");
        // Refused by its length alone, without the invitation.
        co_await s.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n");
        auto refused = co_await test::read_response(*s.client);
        CHECK(refused.status == 413);
    });
}

TEST_CASE("a connection ends after the answer where one side wants it") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        for (const std::string request :
             {"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
            setting s{io};
            co_await s.send(request);
            auto all = co_await test::read_to_end(*s.client);
            CHECK(all.starts_with("HTTP/1.1 200 OK\r\n"));
            CHECK(all.find("Connection: close") != std::string::npos);
            co_await s.running->join();
        }
        server_options two;
        two.keep_alive_requests_max = 2;
        setting s{io, echo, two};
        co_await s.send(get + get + get);
        auto first = co_await test::read_response(*s.client);
        CHECK_FALSE(first.fields.has("Connection"));
        auto second = co_await test::read_response(*s.client);
        CHECK(second.fields.get("Connection") == "close");
        auto rest = co_await test::read_to_end(*s.client);
        CHECK(rest.empty());
    });
}

TEST_CASE("a hostile request gets its status, and what follows is read so that the answer is not lost") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const std::vector<std::pair<std::string, int>> table = {
            {"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n", 400},
            {"GET / HTTP/1.1\r\nA: b\r\n\r\n", 400},
            {"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n", 400},
            {"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2000000\r\n\r\n", 413},
            {"GET /" + std::string(40'000, 'a') + " HTTP/1.1\r\n", 414},
            {"GET / HTTP/1.1\r\nA: " + std::string(40'000, 'a') + "\r\n", 431},
            {"GET / HTTP/2.0\r\n\r\n", 505}};
        for (const auto& [bytes, status] : table) {
            setting s{io};
            // As fast as the server reads: it must go on reading after its answer.
            test::started<void> sending{io.get_executor(), s.send(bytes + std::string(100'000, 'a'))};
            auto answer = co_await test::read_response(*s.client);
            CHECK(answer.status == status);
            CHECK(answer.fields.get("Connection") == "close");
            co_await sending.join();
            CHECK_FALSE(s.running->ended());
            s.client->close();
            co_await s.running->join();
        }
    });
}

TEST_CASE("a client that never stops sending after its refusal is cut off") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        test::started<void> sending{io.get_executor(), s.send("\n" + std::string(1'000'000, 'a'))};
        // It finds that it cannot send, and the answer still there; then it is reset.
        co_await test::yield(100);
        CHECK_FALSE(sending.ended());
        CHECK_FALSE(s.running->ended());
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.status == 400);
        co_await s.pass(2s);
        CHECK(s.running->ended());
        CHECK(sending.ended());
        setting quiet{io};
        co_await quiet.send("\n");
        co_await quiet.pass(6s);
        CHECK(quiet.running->ended());
    });
}
