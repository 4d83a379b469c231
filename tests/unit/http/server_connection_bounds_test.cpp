#include "server_connection_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace server_connection_test;

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
            {"GET / HTT", 10s}, {"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nabc", 21s}};
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
            co_await s.pass(2s);
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
