#include <array>

#include "server_connection_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace server_connection_test;

namespace {

const std::string post = "POST /a HTTP/1.1\r\nHost: a.test\r\n";

asio::awaitable<response> count_body(request asked) {
    std::array<char, 1000> buffer;
    std::size_t total = 0;
    for (;;) {
        const auto size = co_await asked.body.read_some(buffer);
        if (size == 0)
            break;
        total += size;
    }
    co_return response{std::to_string(total) + " " + std::string{asked.body.trailers().get("Sum")}};
}

asio::awaitable<void> write_twice(body_writer& out) {
    co_await out.write("hello ");
    co_await out.flush();
    co_await out.write("world");
    out.trailers().set("Sum", "11");
}

asio::awaitable<response> stream_twice(request) { co_return response::stream(write_twice); }

std::string chunked(std::size_t size, std::size_t chunk) {
    std::string wire;
    for (; size > 0; size -= std::min(size, chunk))
        wire += fmt::format("{:x}\r\n{}\r\n", std::min(size, chunk), std::string(std::min(size, chunk), 'a'));
    return wire + "0\r\nSum: 7\r\nHost: evil.test\r\n\r\n";
}

}  // namespace

TEST_CASE("a handler reads a body piece by piece, whatever its framing, and its trailers") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io, count_body};
        for (int i = 0; i < 2; ++i) {
            test::started<void> sending{
                io.get_executor(), s.send(post + "Content-Length: 100000\r\n\r\n" + std::string(100'000, 'a'))};
            auto answer = co_await test::read_response(*s.client);
            CHECK(answer.body == "100000 ");
            co_await sending.join();
            test::started<void> chunks{
                io.get_executor(), s.send(post + "Transfer-Encoding: chunked\r\n\r\n" + chunked(70'000, 999))};
            answer = co_await test::read_response(*s.client);
            CHECK(answer.body == "70000 7");
            co_await chunks.join();
        }
    });
}

TEST_CASE("a body is not read faster than its handler takes it") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event go_on{io.get_executor()};
        const auto slow = [&](request asked) -> asio::awaitable<response> {
            std::array<char, 10> buffer;
            co_await asked.body.read_some(buffer);
            co_await go_on.wait();
            const auto rest = co_await asked.body.text(1 << 20);
            co_return response{std::to_string(10 + rest.size())};
        };
        setting s{io, slow};
        test::started<void> sending{
            io.get_executor(), s.send(post + "Content-Length: 1000000\r\n\r\n" + std::string(1'000'000, 'a'))};
        co_await s.pass(10s);
        CHECK_FALSE(sending.ended());
        go_on.notify_all();
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.body == "1000000");
        co_await sending.join();
    });
}

TEST_CASE("an answer is streamed in chunks, with trailers; what is flushed is there at once") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io, stream_twice};
        co_await s.send(get + get);
        for (int i = 0; i < 2; ++i) {
            auto answer = co_await test::read_response(*s.client);
            CHECK(answer.fields.get("Transfer-Encoding") == "chunked");
            CHECK(answer.body == "hello world");
            CHECK(answer.trailers.get("Sum") == "11");
        }
    });
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event never{io.get_executor()};
        const auto hangs = [&never](request) -> asio::awaitable<response> {
            co_return response::stream([&never](body_writer& out) -> asio::awaitable<void> {
                co_await out.write("first");
                co_await out.flush();
                co_await never.wait();
            });
        };
        setting s{io, hangs};
        co_await s.send(get);
        std::string came;
        while (came.find("first\r\n") == std::string::npos) {
            std::array<std::byte, 100> buffer;
            const auto size = co_await read_some(*s.client, buffer);
            came.append(reinterpret_cast<const char*>(buffer.data()), size);
        }
        // The client goes, and the producer with it.
        s.client->close();
        co_await s.pass(8s);
        CHECK(s.running->ended());
    });
}

TEST_CASE("an answer of known length is streamed without chunks, and must have that length") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto sized = [](request asked) -> asio::awaitable<response> {
            const std::uint64_t size = asked.target == "/long" ? 10 : asked.target == "/short" ? 12 : 11;
            co_return response::stream(write_twice, size);
        };
        setting good{io, sized};
        co_await good.send(get + get);
        for (int i = 0; i < 2; ++i) {
            auto answer = co_await test::read_response(*good.client);
            CHECK(answer.fields.get("Content-Length") == "11");
            CHECK_FALSE(answer.fields.has("Transfer-Encoding"));
            CHECK(answer.body == "hello world");
        }
        for (const std::string target : {"/long", "/short"}) {
            log_lines log;
            setting bad{io, sized, {}, log.make()};
            co_await bad.send("GET " + target + " HTTP/1.1\r\nHost: a.test\r\n\r\n");
            const auto all = co_await test::read_to_end(*bad.client);
            CHECK(all.ends_with("hello "));
            co_await bad.running->join();
            CHECK(log.lines.size() == 1);
        }
    });
}

TEST_CASE("HTTP/1.0 gets a stream without chunks, until the connection ends") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io, stream_twice};
        co_await s.send("GET / HTTP/1.0\r\n\r\n");
        const auto all = co_await test::read_to_end(*s.client);
        CHECK(all.find("Transfer-Encoding") == std::string::npos);
        CHECK(all.ends_with("\r\n\r\nhello world"));
    });
}

TEST_CASE("a HEAD runs no producer") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io, stream_twice};
        co_await s.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n" + get);
        auto head = co_await test::read_response(*s.client, true);
        CHECK(head.fields.get("Transfer-Encoding") == "chunked");
        auto next = co_await test::read_response(*s.client);
        CHECK(next.body == "hello world");
    });
}

TEST_CASE("a producer that throws: 500 before its first flush, afterwards an answer that is visibly cut") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto throws = [](request asked) -> asio::awaitable<response> {
            const bool flushes = asked.target == "/late";
            co_return response::stream([flushes](body_writer& out) -> asio::awaitable<void> {
                co_await out.write("some");
                if (flushes)
                    co_await out.flush();
                throw std::runtime_error{"oops"};
            });
        };
        log_lines log;
        setting s{io, throws, {}, log.make()};
        co_await s.send(get);
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.status == 500);
        co_await s.send("GET /late HTTP/1.1\r\nHost: a.test\r\n\r\n");
        const auto all = co_await test::read_to_end(*s.client);
        CHECK(all.find("4\r\nsome\r\n") != std::string::npos);
        CHECK(all.find("0\r\n\r\n") == std::string::npos);
        co_await s.running->join();
        CHECK(log.lines.size() == 2);
    });
}

TEST_CASE("a large stream to a client that does not read waits, and is cut when the client is too slow") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        std::size_t written = 0;
        const auto endless = [&written](request) -> asio::awaitable<response> {
            co_return response::stream([&written](body_writer& out) -> asio::awaitable<void> {
                const std::string block(10'000, 'a');
                for (;;) {
                    co_await out.write(block);
                    written += block.size();
                }
            });
        };
        setting s{io, endless};
        co_await s.send(get);
        co_await s.pass(10s);
        CHECK(written < 1'000'000);
        CHECK_FALSE(s.running->ended());
        co_await s.pass(60s);
        CHECK(s.running->ended());
    });
}

TEST_CASE("a byte now and then is too slow for a body, and for an answer") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io, count_body};
        co_await s.send(post + "Content-Length: 100000\r\n\r\n");
        for (int i = 0; i < 25 && !s.running->ended(); ++i) {
            co_await s.send("a");
            co_await s.pass(1s);
        }
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.status == 408);

        const auto large = [](request) -> asio::awaitable<response> { co_return response{std::string(1 << 20, 'a')}; };
        setting reads{io, large};
        co_await reads.send(get);
        for (int i = 0; i < 25; ++i) {
            std::array<std::byte, 1> one;
            co_await read_some(*reads.client, one);
            co_await reads.pass(1s);
        }
        co_await reads.pass(1s);
        CHECK_FALSE(reads.running->ended());
        co_await reads.pass(600s);
        CHECK(reads.running->ended());
    });
}

TEST_CASE("the invitation is sent when the body is read, and a client that was not invited is not kept") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto picky = [](request asked) -> asio::awaitable<response> {
            if (asked.target == "/no")
                co_return response{403};
            const auto text = co_await asked.body.text();
            co_return response{text};
        };
        setting s{io, picky};
        const std::string rest = " HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        co_await s.send("PUT /yes" + rest);
        auto interim = co_await test::read_response(*s.client);
        CHECK(interim.status == 100);
        co_await s.send("hi");
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.body == "hi");
        co_await s.send("PUT /no" + rest);
        auto refused = co_await test::read_response(*s.client);
        CHECK(refused.status == 403);
        CHECK(refused.fields.get("Connection") == "close");
    });
}

TEST_CASE("what a handler leaves of a body is read away, or ends the connection if it is much") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto ignores = [](request) -> asio::awaitable<response> { co_return response{"no"}; };
        setting small{io, ignores};
        test::started<void> sending{
            io.get_executor(), small.send(post + "Content-Length: 100000\r\n\r\n" + std::string(100'000, 'a') + get)};
        for (int i = 0; i < 2; ++i) {
            auto answer = co_await test::read_response(*small.client);
            CHECK(answer.body == "no");
            CHECK_FALSE(answer.fields.has("Connection"));
        }
        co_await sending.join();

        setting large{io, ignores};
        co_await large.send(post + "Content-Length: 100000000\r\n\r\n");
        auto answer = co_await test::read_response(*large.client);
        CHECK(answer.fields.get("Connection") == "close");

        setting stalls{io, ignores};
        co_await stalls.send(post + "Content-Length: 1000\r\n\r\n");
        co_await test::read_response(*stalls.client);
        co_await stalls.pass(6s);
        CHECK(stalls.running->ended());
    });
}

TEST_CASE("a body that is kept beyond its request cannot be read any more") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        std::optional<request_body> kept;
        const auto keeps = [&kept](request asked) -> asio::awaitable<response> {
            kept = asked.body;
            co_return response{"kept"};
        };
        setting s{io, keeps};
        co_await s.send(post + "Content-Length: 5\r\n\r\nhello");
        co_await test::read_response(*s.client);
        co_await test::yield(20);
        const auto code = co_await test::failure_of(kept->text());
        CHECK(code == errc::connection_closed);
    });
}

TEST_CASE("a handler that takes longer than a request may is cancelled and answered for by 503") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event never{io.get_executor()};
        const auto hangs = [&never](request) -> asio::awaitable<response> {
            co_await never.wait();
            co_return response{"?"};
        };
        server_options options;
        options.request_timeout = 20s;
        log_lines log;
        setting s{io, hangs, options, log.make()};
        co_await s.send(get);
        co_await s.pass(19s);
        CHECK_FALSE(s.running->ended());
        co_await s.pass(2s);
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.status == 503);
        CHECK(answer.fields.get("Connection") == "close");
        CHECK(log.lines.size() == 1);
    });
}

TEST_CASE("a handler that cannot be cancelled loses its connection and not the server") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event done{io.get_executor()};
        const auto deaf = [&done](request) -> asio::awaitable<response> {
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
            co_await done.wait();
            co_return response{"late"};
        };
        server_options options;
        options.request_timeout = 10s;
        setting s{io, deaf, options};
        co_await s.send(get);
        co_await s.pass(20s);
        CHECK_FALSE(s.running->ended());
        done.notify_all();
        co_await test::yield(20);
        CHECK(s.running->ended());
    });
}

TEST_CASE("the access log has what became of each request") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        std::vector<std::string> lines;
        std::vector<std::pair<std::uint64_t, bool>> facts;
        server_options options;
        options.access_log = [&](const access_record& record) {
            lines.push_back(to_combined_log(record));
            facts.emplace_back(record.received, record.whole);
        };
        setting s{io, count_body, options};
        co_await s.send("POST /a?b HTTP/1.1\r\nHost: a.test\r\nUser-Agent: \"x\"\r\nReferer: http://b.test/\r\n"
                        "Content-Length: 3\r\n\r\nabc");
        co_await test::read_response(*s.client);
        co_await s.send("BAD\r\n\r\n");
        co_await test::read_response(*s.client);
        REQUIRE(lines.size() == 2);
        CHECK(lines[0].ends_with(
            R"(- - [01/Jun/2026:00:00:00 +0000] "POST /a?b HTTP/1.1" 200 2 "http://b.test/" "\"x\"")"));
        CHECK(lines[1].ends_with(R"("-" 400 12 "-" "-")"));
        CHECK(facts[0].first == 3);
        CHECK(facts[0].second);
    });
}
