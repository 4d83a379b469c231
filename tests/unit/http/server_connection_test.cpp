#include <evercert/error.hpp>

#include "base/event.hpp"
#include "base/memory_stream.hpp"
#include "catch.hpp"
#include "fake_clock.hpp"
#include "http/server_connection.hpp"
#include "run.hpp"
#include "wire.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

const std::string get = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n";

asio::awaitable<response> echo(request message) {
    std::string text = message.method + " " + message.target + " " + message.body;
    co_return response{std::move(text)};
}

struct log_lines {
    std::vector<std::string> lines = {};
    logger make() {
        log_options options;
        options.level = log_level::error;
        options.sink = [this](log_level, std::string_view line) { lines.emplace_back(line); };
        return logger{options};
    }
};

/// A connection that serves, and its other end.
struct setting {
    explicit setting(asio::io_context& io, handler answer = echo, server_options options = {}, logger log = {})
        : time{std::make_shared<test::fake_clock>(io.get_executor())} {
        auto pair = memory_stream_pair(io.get_executor());
        client = std::move(pair.first);
        connection = std::make_unique<http_server_connection>(
            std::move(pair.second), "sni.test", std::move(answer), options, time, std::move(log));
        running.emplace(io.get_executor(), connection->run());
    }

    std::shared_ptr<test::fake_clock> time;
    std::unique_ptr<stream> client;
    std::unique_ptr<http_server_connection> connection;
    std::optional<test::started<void>> running;

    asio::awaitable<void> send(std::string bytes) { co_await write_all(*client, bytes); }
    /// Let time pass in steps, as it does, and everybody act on it.
    asio::awaitable<void> pass(duration length) {
        for (; length > 0s; length -= 1s) {
            co_await test::yield(20);
            time->advance(std::min<duration>(length, 1s));
        }
        co_await test::yield(20);
    }
};

}  // namespace

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
        CHECK(all.find("Connection: close") != std::string::npos);
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
        co_await s.running->join();
        setting quiet{io};
        co_await quiet.send("\n");
        co_await quiet.pass(6s);
        CHECK(quiet.running->ended());
    });
}

TEST_CASE("an idle connection is closed after its time, without an answer") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        co_await s.send(get);
        co_await test::read_response(*s.client);
        co_await s.pass(74s);
        CHECK_FALSE(s.running->ended());
        co_await s.pass(1s);
        CHECK(s.running->ended());
        auto rest = co_await test::read_to_end(*s.client);
        CHECK(rest.empty());
    });
}

TEST_CASE("a head or a body that comes too slowly is answered with 408") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const std::vector<std::pair<std::string, duration>> table = {
            {"GET / HTT", 10s}, {"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nabc", 60s}};
        for (const auto& [part, limit] : table) {
            setting s{io};
            // The limit begins with the first byte, not with the connection.
            co_await s.pass(30s);
            co_await s.send(part);
            co_await s.pass(limit - 1s);
            CHECK_FALSE(s.running->ended());
            co_await s.pass(1s);
            auto answer = co_await test::read_response(*s.client);
            CHECK(answer.status == 408);
            s.client->close();
            co_await s.running->join();
        }
    });
}

TEST_CASE("a byte now and then does not make the time for a head longer") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        for (int i = 0; i < 10; ++i) {
            co_await s.send(get.substr(static_cast<std::size_t>(i), 1));
            co_await s.pass(1s);
        }
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.status == 408);
    });
}

TEST_CASE("a client that does not read its answer is closed after the time to write") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto large = [](request) -> asio::awaitable<response> { co_return response{std::string(1 << 20, 'a')}; };
        setting s{io, large};
        co_await s.send(get);
        co_await s.pass(59s);
        CHECK_FALSE(s.running->ended());
        co_await s.pass(1s);
        CHECK(s.running->ended());
    });
}

TEST_CASE("a handler may take its time") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event done{io.get_executor()};
        const auto slow = [&done](request) -> asio::awaitable<response> {
            co_await done.wait();
            co_return response{"done"};
        };
        setting s{io, slow};
        co_await s.send(get);
        co_await s.pass(1000s);
        done.notify_all();
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.body == "done");
    });
}

TEST_CASE("a handler is cancelled when the connection breaks, and soon after the client has closed") {
    for (const bool broken : {true, false}) {
        INFO(broken);
        test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
            event never{io.get_executor()};
            bool cancelled = false;
            const auto waits = [&](request message) -> asio::awaitable<response> {
                if (message.target == "/quick")
                    co_return response{"quick"};
                try {
                    co_await never.wait();
                } catch (const std::system_error& e) {
                    cancelled = e.code() == asio::error::operation_aborted;
                    throw;
                }
                co_return response{"?"};
            };
            log_lines log;
            setting s{io, waits, {}, log.make()};
            co_await s.send("GET /quick HTTP/1.1\r\nHost: a.test\r\n\r\n" + get);
            co_await test::yield(20);
            // An answer that is not read makes the client's close a reset, as it does with TCP.
            if (!broken)
                co_await test::read_response(*s.client);
            s.client->close();
            co_await s.pass(4s);
            CHECK(cancelled == broken);
            co_await s.pass(1s);
            CHECK(cancelled);
            CHECK(s.running->ended());
            CHECK(log.lines.empty());
        });
    }
}

TEST_CASE("what a handler throws becomes a 500 and a line in the log") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto throws = [](request message) -> asio::awaitable<response> {
            if (message.target == "/abort")
                throw std::system_error{asio::error::operation_aborted};
            if (message.target == "/int")
                throw 1;
            throw std::runtime_error{"secret\nline"};
            co_return response{};
        };
        log_lines log;
        setting s{io, throws, {}, log.make()};
        for (const std::string target : {"/", "/abort", "/int"}) {
            co_await s.send("GET " + target + " HTTP/1.1\r\nHost: a.test\r\n\r\n");
            auto answer = co_await test::read_response(*s.client);
            CHECK(answer.status == 500);
            CHECK(answer.body.find("secret") == std::string::npos);
        }
        REQUIRE(log.lines.size() == 3);
        CHECK(log.lines[0].find("secret\\x0aline") != std::string::npos);
    });
}

TEST_CASE("a handler that has no answer ends the connection") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto throws = [](request) -> asio::awaitable<response> {
            throw no_answer{};
            co_return response{};
        };
        log_lines log;
        setting s{io, throws, {}, log.make()};
        co_await s.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        auto rest = co_await test::read_to_end(*s.client);
        CHECK(rest.empty());
        CHECK(log.lines.empty());
    });
}

TEST_CASE("an answer that cannot be sent becomes a 500") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto splits = [](request message) -> asio::awaitable<response> {
            response made{"body"};
            if (message.target == "/status")
                made.status = 100;
            else
                made.fields.set("Location", "a\r\nSet-Cookie: b");
            co_return made;
        };
        log_lines log;
        setting s{io, splits, {}, log.make()};
        for (const std::string target : {"/", "/status"}) {
            co_await s.send("GET " + target + " HTTP/1.1\r\nHost: a.test\r\n\r\n");
            auto answer = co_await test::read_response(*s.client);
            CHECK(answer.status == 500);
            CHECK_FALSE(answer.fields.has("Set-Cookie"));
        }
        CHECK(log.lines.size() == 2);
    });
}

TEST_CASE("a large answer arrives whole") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto large = [](request) -> asio::awaitable<response> {
            co_return response{std::string(3'000'000, 'a')};
        };
        setting s{io, large};
        co_await s.send(get);
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.body.size() == 3'000'000);
    });
}

TEST_CASE("draining ends an idle connection at once and a busy one after its answer") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting idle{io};
        co_await idle.send(get);
        co_await test::read_response(*idle.client);
        idle.connection->drain();
        co_await idle.running->join();

        event done{io.get_executor()};
        const auto slow = [&done](request) -> asio::awaitable<response> {
            co_await done.wait();
            co_return response{"done"};
        };
        setting busy{io, slow};
        co_await busy.send(get);
        co_await test::yield(20);
        busy.connection->drain();
        co_await test::yield(20);
        CHECK_FALSE(busy.running->ended());
        done.notify_all();
        auto answer = co_await test::read_response(*busy.client);
        CHECK(answer.body == "done");
        CHECK(answer.fields.get("Connection") == "close");
        busy.client->close();
        co_await busy.running->join();
    });
}

TEST_CASE("a cancelled connection is closed and its handler with it") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event never{io.get_executor()};
        const auto waits = [&never](request) -> asio::awaitable<response> {
            co_await never.wait();
            co_return response{"?"};
        };
        setting s{io, waits};
        co_await s.send(get);
        co_await test::yield(20);
        s.running->cancel();
        co_await test::yield(20);
        REQUIRE(s.running->ended());
        CHECK_THROWS_AS(s.running->take(), std::system_error);
        auto rest = co_await test::read_to_end(*s.client);
        CHECK(rest.empty());
    });
}
