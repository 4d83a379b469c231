// What applications get wrong, and what their clients must not suffer from.

#include <limits>

#include <asio/co_spawn.hpp>

#include "server_connection_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace server_connection_test;

namespace {

const std::string put_chunks =
    "PUT /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";

response with_bad_field(response made) {
    made.fields.set("Content-Disposition", "a\nSet-Cookie: b");
    return made;
}

asio::awaitable<void> write_much(body_writer& out, std::string text) {
    co_await out.write(text);
    co_await out.flush();
    co_await out.write(text);
}

asio::awaitable<void> write_bad_trailer(body_writer& out) {
    co_await out.write("body");
    out.trailers().set("Sum", "a\nb");
}

asio::awaitable<response> answer_badly(request asked) {
    const std::string text(20'000, 'x');
    const auto produce = [text](body_writer& out) { return write_much(out, text); };
    if (asked.target == "/chunks")
        co_return with_bad_field(response::stream(produce));
    if (asked.target == "/length")
        co_return with_bad_field(response::stream(produce, 2 * text.size()));
    if (asked.target == "/trailer")
        co_return response::stream(write_bad_trailer);
    response whole{text};
    whole.trailers.set("Sum", "1");
    co_return with_bad_field(std::move(whole));
}

asio::awaitable<void> echo_pieces(request_body body, body_writer& out) {
    co_await out.write("begun");
    co_await out.flush();
    const auto text = co_await body.text();
    co_await out.write(text);
}

asio::awaitable<void> read_into(request_body body, std::shared_ptr<std::error_code> failed) {
    try {
        co_await body.text();
    } catch (const std::system_error& e) {
        *failed = e.code();
    }
}

}  // namespace

TEST_CASE("a streamed answer whose head or trailers cannot be sent becomes a 500 and nothing else") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        log_lines log;
        setting s{io, answer_badly, {}, log.make()};
        for (const std::string target : {"/chunks", "/length", "/whole", "/trailer", "/chunks"}) {
            INFO(target);
            co_await s.send("GET " + target + " HTTP/1.1\r\nHost: a.test\r\n\r\n");
            // Whatever came after it would be the next answer's beginning.
            auto answer = co_await test::read_response(*s.client);
            CHECK(answer.status == 500);
            CHECK(answer.body.find('x') == std::string::npos);
            CHECK_FALSE(answer.fields.has("Set-Cookie"));
        }
        CHECK(log.lines.size() == 5);
    });
}

TEST_CASE("a body without a limit is read to its end") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto unlimited = [](request asked) -> asio::awaitable<response> {
            const auto text = co_await asked.body.text(std::numeric_limits<std::size_t>::max());
            co_return response{std::to_string(text.size())};
        };
        setting s{io, unlimited};
        co_await s.send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'a'));
        auto answer = co_await test::read_response(*s.client);
        CHECK(answer.body == "5000");
    });
}

TEST_CASE("nobody is invited to send a body into the middle of an answer") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto echo_late = [](request asked) -> asio::awaitable<response> {
            co_return response::stream([body = asked.body](body_writer& out) { return echo_pieces(body, out); });
        };
        setting s{io, echo_late};
        co_await s.send(put_chunks);
        test::started<std::string> all{io.get_executor(), test::read_to_end(*s.client)};
        co_await s.pass(1s);
        co_await s.send("2\r\nhi\r\n0\r\n\r\n");
        const auto wire = co_await all.join();
        CHECK_THAT(wire, Catch::Matchers::StartsWith("HTTP/1.1 200 OK\r\n"));
        CHECK_THAT(wire, Catch::Matchers::EndsWith("5\r\nbegun\r\n2\r\nhi\r\n0\r\n\r\n"));
        CHECK(wire.find("100 Continue") == std::string::npos);
    });
}

TEST_CASE("what a client sends on after a refusal is read away, also if it wanted the connection closed") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        for (const std::string begin :
             {"POST /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n", "POST /a HTTP/1.0\r\n"}) {
            const auto refuse = [](request) -> asio::awaitable<response> { co_return response{401}; };
            setting s{io, refuse};
            co_await s.send(begin + "Content-Length: 500000\r\n\r\n");
            auto answer = co_await test::read_to_end(*s.client);
            CHECK(answer.starts_with("HTTP/1.1 401 "));
            test::started<void> sending{io.get_executor(), s.send(std::string(100'000, 'a'))};
            co_await s.pass(1s);
            CHECK(sending.ended());
            CHECK_FALSE(s.running->ended());
            s.client->close();
            co_await s.pass(1s);
            CHECK(s.running->ended());
        }
    });
}

TEST_CASE("a body that somebody goes on to read after the answer ends with the connection") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        const auto failed = std::make_shared<std::error_code>();
        const auto leave_reading = [&io, failed](request asked) -> asio::awaitable<response> {
            auto reading = read_into(asked.body, failed);
            asio::co_spawn(io, std::move(reading), [](std::exception_ptr) {});
            co_return response{202};
        };
        setting s{io, leave_reading};
        co_await s.send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nsome");
        auto answer = co_await test::read_to_end(*s.client);
        CHECK(answer.starts_with("HTTP/1.1 202 "));
        co_await s.running->join();
        CHECK(*failed);
    });
}
