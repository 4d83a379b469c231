// Handlers that do not do what a server would like them to.

#include <array>

#include "server_connection_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace server_connection_test;

namespace {

const std::string post = "POST /a HTTP/1.1\r\nHost: a.test\r\n";

/// Everything that comes until the peer closes, however it does.
asio::awaitable<std::string> rest_of(stream& from) {
    std::string all;
    std::array<std::byte, 4096> buffer;
    try {
        for (;;) {
            const auto size = co_await read_some(from, buffer);
            if (size == 0)
                break;
            all.append(reinterpret_cast<const char*>(buffer.data()), size);
        }
    } catch (const std::system_error&) {
    }
    co_return all;
}

}  // namespace

TEST_CASE("a handler that throws within a body is a 500 that the client gets, whatever it still sends") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto throws = [](request asked) -> asio::awaitable<response> {
            std::array<char, 100> some;
            co_await asked.body.read_some(some);
            throw std::runtime_error{"oops"};
        };
        log_lines log;
        setting small{io, throws, {}, log.make()};
        test::started<void> sending{
            io.get_executor(), small.send(post + "Content-Length: 100000\r\n\r\n" + std::string(100'000, 'a') + get)};
        auto answer = co_await test::read_response(*small.client);
        CHECK(answer.status == 500);
        CHECK_FALSE(answer.fields.has("Connection"));
        // The rest of the body is not taken for the next request.
        answer = co_await test::read_response(*small.client);
        CHECK(answer.status == 500);
        co_await sending.join();
        CHECK(log.lines.size() == 2);

        setting large{io, throws};
        test::started<void> uploading{
            io.get_executor(), large.send(post + "Content-Length: 10000000\r\n\r\n" + std::string(10'000'000, 'a'))};
        answer = co_await test::read_response(*large.client);
        CHECK(answer.status == 500);
        CHECK(answer.fields.get("Connection") == "close");
        co_await large.pass(6s);
        CHECK(large.running->ended());
        CHECK(uploading.ended());
        CHECK_THROWS_AS(uploading.take(), std::system_error);
    });
}

TEST_CASE("a handler that throws before it has become a coroutine is a 500 as any") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto throws = [](request) -> asio::awaitable<response> { throw std::runtime_error{"at once"}; };
        log_lines log;
        setting s{io, throws, {}, log.make()};
        co_await s.send(get + get);
        for (int i = 0; i < 2; ++i) {
            auto answer = co_await test::read_response(*s.client);
            CHECK(answer.status == 500);
        }
        CHECK(log.lines.size() == 2);
    });
}

TEST_CASE("a producer that never writes is cancelled after a request's time: 503 before its first flush, then a cut") {
    for (const bool begun : {false, true}) {
        INFO(begun);
        test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
            event never{io.get_executor()};
            bool cancelled = false;
            const auto hangs = [&](request) -> asio::awaitable<response> {
                co_return response::stream([&](body_writer& out) -> asio::awaitable<void> {
                    co_await out.write("some");
                    if (begun)
                        co_await out.flush();
                    try {
                        co_await never.wait();
                    } catch (...) {
                        cancelled = true;
                        throw;
                    }
                });
            };
            server_options options;
            options.request_timeout = 20s;
            setting s{io, hangs, options};
            co_await s.send(get);
            co_await s.pass(19s);
            CHECK_FALSE(cancelled);
            co_await s.pass(3s);
            CHECK(cancelled);
            const auto all = co_await rest_of(*s.client);
            CHECK(all.starts_with(begun ? "HTTP/1.1 200 " : "HTTP/1.1 503 "));
            CHECK((all.find("Connection: close\r\n") != all.npos) == !begun);
            CHECK((all.find("4\r\nsome\r\n") != all.npos) == begun);
            CHECK(all.find("0\r\n\r\n") == all.npos);
        });
    }
}

TEST_CASE("a handler that answers when its time is up has the last word") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event never{io.get_executor()};
        const auto late = [&never](request) -> asio::awaitable<response> {
            std::exception_ptr thrown;
            try {
                co_await never.wait();
            } catch (...) {
                thrown = std::current_exception();
            }
            co_return response{504};
        };
        server_options options;
        options.request_timeout = 20s;
        setting s{io, late, options};
        co_await s.send(get + get);
        co_await s.pass(22s);
        const auto all = co_await rest_of(*s.client);
        CHECK(all.starts_with("HTTP/1.1 504 "));
        CHECK(all.find("Connection: close\r\n") != all.npos);
        // The second request is not begun.
        CHECK(all.find("HTTP/1.1", 1) == all.npos);
    });
}

TEST_CASE("a handler that waits is cancelled with its connection, and leaves nothing that is sent later") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event never{io.get_executor()};
        int waiting = 0;
        const auto hangs = [&](request) -> asio::awaitable<response> {
            const struct guard {
                int& of;
                ~guard() { --of; }
            } guard{++waiting};
            co_await never.wait();
            co_return response{"?"};
        };
        setting s{io, hangs};
        co_await s.send(get);
        co_await test::yield(20);
        CHECK(waiting == 1);
        s.running->cancel();
        co_await s.running->join();
        CHECK(waiting == 0);
        const auto all = co_await rest_of(*s.client);
        CHECK(all.empty());
    });
}

TEST_CASE("an answer that comes before the body lets the client finish what it sends, as far as it is worth it") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto refuses = [](request asked) -> asio::awaitable<response> {
            co_return response{asked.target == "/a" ? 403 : 200};
        };
        setting s{io, refuses};
        // The answer is there before any of the body is.
        co_await s.send(post + "Content-Length: 5\r\n\r\n");
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.status == 403);
        co_await s.send("helloGET /next HTTP/1.1\r\nHost: a.test\r\n\r\n");
        answer = co_await test::read_response(*s.client);
        CHECK(answer.status == 200);
        // The same in chunks, whose length nobody knows: too many of them end the connection after the answer.
        co_await s.send(post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        answer = co_await test::read_response(*s.client);
        CHECK(answer.status == 403);
        co_await s.send("0\r\n\r\nGET /next HTTP/1.1\r\nHost: a.test\r\n\r\n");
        answer = co_await test::read_response(*s.client);
        CHECK(answer.status == 200);
        co_await s.send(post + "Transfer-Encoding: chunked\r\n\r\n");
        answer = co_await test::read_response(*s.client);
        CHECK(answer.status == 403);
        std::string endless;
        for (int i = 0; i < 1'000; ++i)
            endless += "400\r\n" + std::string(1'024, 'x') + "\r\n";
        test::started<void> sending{io.get_executor(), s.send(std::move(endless))};
        co_await s.pass(12s);
        CHECK(s.running->ended());
        CHECK(sending.ended());
    });
}
