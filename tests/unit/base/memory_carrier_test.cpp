#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/memory_stream.hpp"
#include "catch.hpp"
#include "memory_stream_setting.hpp"
#include "run.hpp"

using namespace evercert;
using namespace test;

namespace {

/// Holds what it is to carry until the test lets it arrive.
struct courier {
    std::deque<std::function<void()>> under_way;

    carrier carry() {
        return [this](std::function<void()> what) { under_way.push_back(std::move(what)); };
    }
    void deliver(std::size_t count = 1) {
        for (; count > 0; --count) {
            const auto next = std::move(under_way.front());
            under_way.pop_front();
            next();
        }
    }
};

/// A connection whose both directions are carried.
struct carried {
    explicit carried(std::size_t capacity = 64 << 10) {
        memory_stream_options options;
        options.capacity = capacity;
        options.to_second = out.carry();
        options.to_first = back.carry();
        auto made = connect_in_memory(io.get_executor(), io.get_executor(), options);
        first = std::move(made.first);
        second = std::move(made.second);
        reset = std::move(made.reset);
    }
    asio::io_context io;
    courier out, back;
    std::unique_ptr<stream> first, second;
    std::function<void()> reset;
};

}  // namespace

TEST_CASE("what a carrier has is not there before it arrives, and comes in the order in which it was given") {
    carried pair;
    write_text(*pair.first, "one ");
    write_text(*pair.first, "two");
    pair.first->shutdown_write();
    REQUIRE(pair.out.under_way.size() == 3);
    CHECK(read_text(*pair.second) == blocked);
    pair.out.deliver();
    CHECK(read_text(*pair.second) == "one ");
    CHECK(read_text(*pair.second) == blocked);
    pair.out.deliver();
    CHECK(read_text(*pair.second) == "two");
    CHECK(read_text(*pair.second) == blocked);
    pair.out.deliver();
    CHECK(read_text(*pair.second) == ended);
}

TEST_CASE("each direction has its own carrier") {
    carried pair;
    write_text(*pair.first, "there");
    write_text(*pair.second, "back");
    pair.back.deliver();
    CHECK(read_text(*pair.first) == "back");
    CHECK(read_text(*pair.second) == blocked);
    pair.out.deliver();
    CHECK(read_text(*pair.second) == "there");
}

TEST_CASE("what is under way takes room, until it has arrived and is read") {
    carried pair{4};
    CHECK(write_text(*pair.first, "hello").size == 4);
    CHECK(write_text(*pair.first, "o").error == asio::error::would_block);
    pair.out.deliver();
    CHECK(write_text(*pair.first, "o").error == asio::error::would_block);
    CHECK(read_text(*pair.second, 3) == "hel");
    CHECK(write_text(*pair.first, "o there").size == 3);
    CHECK(read_text(*pair.second) == "l");
    pair.out.deliver();
    CHECK(read_text(*pair.second) == "o t");
}

TEST_CASE("an end that is under way is no end yet for the peer, and one for whoever said it") {
    carried pair;
    pair.first->shutdown_write();
    CHECK(write_text(*pair.first, "x").error == asio::error::broken_pipe);
    CHECK(read_text(*pair.second) == blocked);
    CHECK(write_text(*pair.second, "still").size == 5);
    pair.out.deliver();
    CHECK(read_text(*pair.second) == ended);
    pair.back.deliver();
    CHECK(read_text(*pair.first) == "still");
}

TEST_CASE("a carrier's delivery wakes who waits to read, and reading wakes who waits to write") {
    carried pair{2};
    test::run_io(pair.io, [](carried& on) -> asio::awaitable<void> {
        test::started<> reader{on.io.get_executor(), wait_readable(*on.second)};
        write_text(*on.first, "ab");
        test::started<> writer{on.io.get_executor(), wait_writable(*on.first)};
        co_await test::yield(4);
        CHECK(!reader.ended());
        on.out.deliver();
        co_await reader.join();
        co_await test::yield(4);
        CHECK(!writer.ended());
        CHECK(read_text(*on.second) == "ab");
        co_await writer.join();
    }(pair));
}

TEST_CASE("a close with bytes unread is carried, too, and is a reset when it arrives") {
    carried pair;
    write_text(*pair.second, "never read");
    pair.back.deliver();
    pair.first->close();
    CHECK(read_text(*pair.second) == blocked);
    pair.out.deliver();
    CHECK(read_text(*pair.second) == reset);
}

TEST_CASE("a close before what is under way arrived ends the peer's reading, and its next write is a reset") {
    carried pair;
    write_text(*pair.second, "late");
    pair.first->close();
    pair.back.deliver();
    pair.out.deliver();
    CHECK(read_text(*pair.second) == ended);
    CHECK(write_text(*pair.second, "x").error == asio::error::connection_reset);
}

TEST_CASE("a reset loses what was not read and what is under way, for both, and wakes them") {
    carried pair;
    write_text(*pair.first, "arrived");
    pair.out.deliver();
    write_text(*pair.first, "under way");
    write_text(*pair.second, "back");
    test::run_io(pair.io, [](carried& on) -> asio::awaitable<void> {
        test::started<> waiting{on.io.get_executor(), wait_readable(*on.first)};
        co_await test::yield(3);
        on.reset();
        co_await waiting.join();
    }(pair));
    pair.out.deliver();
    pair.back.deliver();
    CHECK(read_text(*pair.second) == reset);
    CHECK(read_text(*pair.first) == reset);
    CHECK(write_text(*pair.first, "x").error == asio::error::connection_reset);
    CHECK(write_text(*pair.second, "x").error == asio::error::connection_reset);
    pair.first->close();
    CHECK(read_text(*pair.first) == closed);
}

TEST_CASE("a reset that comes twice, or when the streams are gone, does nothing") {
    carried pair;
    pair.reset();
    pair.reset();
    CHECK(read_text(*pair.first) == reset);
    pair.first.reset();
    pair.reset();
    CHECK(read_text(*pair.second) == reset);
    pair.second.reset();
    pair.reset();
}

TEST_CASE("what arrives when both streams are gone reaches nobody, and keeps nothing alive") {
    carried pair;
    write_text(*pair.first, "text");
    pair.first->shutdown_write();
    pair.first.reset();
    pair.second.reset();
    const auto left = pair.out.under_way.size();
    pair.out.deliver(left);
    pair.back.deliver(pair.back.under_way.size());
    CHECK(left >= 2);
}

TEST_CASE("what was written before the writer's stream was destroyed still arrives, and then the end") {
    carried pair;
    write_text(*pair.first, "last words");
    pair.first.reset();
    pair.out.deliver(pair.out.under_way.size());
    CHECK(read_text(*pair.second) == "last words");
    CHECK(read_text(*pair.second) == ended);
}
