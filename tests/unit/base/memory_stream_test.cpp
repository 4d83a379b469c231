#include <memory>
#include <string>

#include <asio/error.hpp>

#include <evercert/rethrow.hpp>

#include "base/memory_stream.hpp"
#include "catch.hpp"
#include "memory_stream_setting.hpp"
#include "run.hpp"
#include "stream_text.hpp"

using namespace evercert;
using namespace test;

namespace {

/// Owns its stream, as a connection's coroutine does.
asio::awaitable<void> wait_owning(std::unique_ptr<stream> on, std::shared_ptr<int>) { co_await on->wait_readable(); }

}  // namespace

TEST_CASE("what one end of a memory stream writes the other reads") {
    asio::io_context io;
    auto [a, b] = memory_stream_pair(io.get_executor());
    CHECK(read_text(*b) == blocked);
    CHECK(write_text(*a, "hello").size == 5);
    CHECK(read_text(*b, 2) == "he");
    CHECK(read_text(*b) == "llo");
    CHECK(read_text(*b) == blocked);
    CHECK(read_text(*a) == blocked);
    CHECK(write_text(*b, "back").size == 4);
    CHECK(read_text(*a) == "back");
}

TEST_CASE("a memory stream takes no more than its capacity") {
    asio::io_context io;
    auto [a, b] = memory_stream_pair(io.get_executor(), 4);
    CHECK(write_text(*a, "hello").size == 4);
    CHECK(write_text(*a, "o").error == asio::error::would_block);
    CHECK(read_text(*b, 1) == "h");
    CHECK(write_text(*a, "o!").size == 1);
    CHECK(read_text(*b) == "ello");
}

TEST_CASE("a memory stream hands out at most a segment by one read") {
    asio::io_context io;
    auto [a, b] = memory_stream_pair(io.get_executor(), 64, 2);
    CHECK(write_text(*a, "hello").size == 5);
    CHECK(read_text(*b) == "he");
    CHECK(read_text(*b) == "ll");
    CHECK(read_text(*b) == "o");
}

TEST_CASE("an empty read or write of a memory stream completes at once") {
    asio::io_context io;
    auto [a, b] = memory_stream_pair(io.get_executor(), 1);
    CHECK(read_text(*b, 0).empty());
    CHECK(write_text(*a, "x").size == 1);
    CHECK(!write_text(*a, "").error);
}

TEST_CASE("after shutdown_write the peer reads what is left, then eof, and can still answer") {
    asio::io_context io;
    auto [a, b] = memory_stream_pair(io.get_executor());
    write_text(*a, "last");
    a->shutdown_write();
    CHECK(write_text(*a, "more").error == asio::error::broken_pipe);
    CHECK(read_text(*b) == "last");
    CHECK(read_text(*b) == ended);
    CHECK(read_text(*b) == ended);
    CHECK(write_text(*b, "answer").size == 6);
    CHECK(read_text(*a) == "answer");
}

TEST_CASE("a peer that closes with nothing unread is read to its end, and writing to it is connection_reset") {
    asio::io_context io;
    auto [a, b] = memory_stream_pair(io.get_executor());
    write_text(*a, "last");
    a->close();
    CHECK(read_text(*b) == "last");
    CHECK(read_text(*b) == ended);
    CHECK(write_text(*b, "x").error == asio::error::connection_reset);
}

TEST_CASE("a peer that closes with bytes unread resets the connection") {
    asio::io_context io;
    auto [a, b] = memory_stream_pair(io.get_executor());
    write_text(*b, "never read");
    a.reset();
    CHECK(read_text(*b) == reset);
    CHECK(write_text(*b, "x").error == asio::error::connection_reset);
}

TEST_CASE("a closed memory stream answers bad_descriptor and its waits operation_aborted") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto [a, b] = memory_stream_pair(io.get_executor());
        a->close();
        CHECK(read_text(*a) == closed);
        CHECK(write_text(*a, "x").error == asio::error::bad_descriptor);
        a->shutdown_write();
        test::started<> wait{io.get_executor(), wait_readable(*a)};
        co_await test::yield(3);
        REQUIRE(wait.ended());
        auto failure = co_await test::failure_of(wait.join());
        CHECK(failure == asio::error::operation_aborted);
    });
}

TEST_CASE("waits of a memory stream end by data, by room, by the end, and never inline") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto [a, b] = memory_stream_pair(io.get_executor(), 2);
        test::started<> readable{io.get_executor(), wait_readable(*b)};
        co_await test::yield(4);
        CHECK(!readable.ended());
        write_text(*a, "xy");
        CHECK(!readable.ended());
        co_await readable.join();

        test::started<> writable{io.get_executor(), wait_writable(*a)};
        co_await test::yield(4);
        CHECK(!writable.ended());
        read_text(*b, 1);
        CHECK(!writable.ended());
        co_await writable.join();

        read_text(*b);
        test::started<> at_end{io.get_executor(), wait_readable(*b)};
        co_await test::yield(4);
        CHECK(!at_end.ended());
        a->shutdown_write();
        co_await at_end.join();

        write_text(*b, "xy");
        test::started<> to_closed{io.get_executor(), wait_writable(*b)};
        co_await test::yield(4);
        CHECK(!to_closed.ended());
        a->close();
        co_await to_closed.join();
    });
}

TEST_CASE("a wait of a memory stream is cancelled alone, and the stream goes on") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto [a, b] = memory_stream_pair(io.get_executor());
        test::started<> wait{io.get_executor(), wait_readable(*b)};
        co_await test::yield(3);
        wait.cancel();
        auto failure = co_await test::failure_of(wait.join());
        CHECK(failure == asio::error::operation_aborted);
        write_text(*a, "still there");
        co_await b->wait_readable();
        CHECK(read_text(*b) == "still there");
    });
}

TEST_CASE("a memory stream may be closed or destroyed while it is waited on") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto [a, b] = memory_stream_pair(io.get_executor());
        test::started<> on_a{io.get_executor(), wait_readable(*a)};
        test::started<> on_b{io.get_executor(), wait_readable(*b)};
        co_await test::yield(3);
        a->close();
        b.reset();
        auto failure = co_await test::failure_of(on_a.join());
        CHECK(failure == asio::error::operation_aborted);
        failure = co_await test::failure_of(on_b.join());
        CHECK(failure == asio::error::operation_aborted);
    });
}

TEST_CASE("a megabyte goes through a memory stream of 1000 bytes in segments of 7") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto [a, b] = memory_stream_pair(io.get_executor(), 1000, 7);
        std::string sent;
        for (int i = 0; sent.size() < (1 << 20); ++i)
            sent += std::to_string(i);
        test::started<> writer{io.get_executor(), test::write_and_end(*a, sent)};
        auto received = co_await test::read_all(*b);
        co_await writer.join();
        CHECK(received == sent);
    });
}

TEST_CASE("an io_context may die while coroutines wait on memory streams that they own") {
    auto io = std::make_unique<asio::io_context>();
    auto [a, b] = memory_stream_pair(io->get_executor());
    auto alive = std::make_shared<int>();
    asio::co_spawn(*io, wait_owning(std::move(a), alive), evercert::rethrow);
    asio::co_spawn(*io, wait_owning(std::move(b), alive), evercert::rethrow);
    io->poll();
    CHECK(alive.use_count() == 3);
    io.reset();
    CHECK(alive.use_count() == 1);
}

TEST_CASE("the ends of a memory stream know their addresses") {
    asio::io_context io;
    memory_stream_options options;
    options.first = {asio::ip::make_address("192.0.2.1"), 40000};
    options.second = {asio::ip::make_address("2001:db8::1"), 443};
    auto [a, b] = memory_stream_pair(io.get_executor(), io.get_executor(), options);
    CHECK(to_string(a->local_endpoint()) == "192.0.2.1:40000");
    CHECK(to_string(a->remote_endpoint()) == "[2001:db8::1]:443");
    CHECK(b->local_endpoint() == a->remote_endpoint());
    CHECK(b->remote_endpoint() == a->local_endpoint());
}
