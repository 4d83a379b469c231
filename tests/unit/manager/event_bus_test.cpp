#include <optional>
#include <string>
#include <type_traits>

#include <asio/error.hpp>

#include <evercert/error.hpp>

#include "catch.hpp"
#include "manager/event_bus.hpp"
#include "run.hpp"

using namespace evercert;

namespace {

manager_event event_of(std::string text) {
    manager_event made;
    made.type = event_type::saved;
    made.text = std::move(text);
    return made;
}

/// The texts of the next `count` events, in one line.
asio::awaitable<std::string> read(event_stream& from, int count) {
    std::string texts;
    for (int i = 0; i < count; ++i) {
        const auto taken = co_await from.next();
        texts += taken.text;
    }
    co_return texts;
}

std::string read_waiting(event_stream& from) {
    std::string texts;
    while (const auto taken = from.try_next())
        texts += taken->text;
    return texts;
}

/// Keeps its stream in its own frame, as a listener of an application does.
asio::awaitable<void> listen(event_stream own, std::string& texts) {
    for (;;) {
        const auto taken = co_await own.next();
        texts += taken.text;
    }
}

}  // namespace

TEST_CASE("every listener gets every event from the moment it subscribed, in order") {
    event_bus bus{10};
    CHECK_FALSE(bus.anybody());
    bus.publish(event_of("0"));
    auto first = bus.subscribe();
    CHECK(bus.anybody());
    bus.publish(event_of("a"));
    auto second = bus.subscribe();
    bus.publish(event_of("b"));
    CHECK(read_waiting(first) == "ab");
    CHECK(read_waiting(second) == "b");
    CHECK(first.lost() == 0);
}

TEST_CASE("a slow listener loses its oldest events, which are counted, and disturbs nobody") {
    event_bus bus{3};
    auto quick = bus.subscribe(), slow = bus.subscribe();
    std::string seen;
    for (const auto* text : {"a", "b", "c", "d", "e"}) {
        bus.publish(event_of(text));
        seen += read_waiting(quick);
    }
    CHECK(seen == "abcde");
    CHECK(quick.lost() == 0);
    CHECK(read_waiting(slow) == "cde");
    CHECK(slow.lost() == 2);
}

TEST_CASE("a listener that waits is woken by an event") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event_bus bus{10};
        auto stream = bus.subscribe();
        test::started<std::string> listener{io.get_executor(), read(stream, 3)};
        co_await test::yield(3);
        bus.publish(event_of("a"));
        co_await test::yield(5);
        bus.publish(event_of("b"));
        bus.publish(event_of("c"));
        const auto texts = co_await listener.join();
        CHECK(texts == "abc");
    });
}

TEST_CASE("events that came before next() need no waiting") {
    test::run_io([](asio::io_context&) -> asio::awaitable<void> {
        event_bus bus{10};
        auto stream = bus.subscribe();
        bus.publish(event_of("a"));
        bus.publish(event_of("b"));
        const auto texts = co_await read(stream, 2);
        CHECK(texts == "ab");
    });
}

TEST_CASE("a cancelled next() takes no event, even if one came at the same moment") {
    const bool event_first = GENERATE(true, false);
    test::run_io([event_first](asio::io_context& io) -> asio::awaitable<void> {
        event_bus bus{10};
        auto stream = bus.subscribe();
        test::started<manager_event> listener{io.get_executor(), stream.next()};
        co_await test::yield(3);
        if (event_first)
            bus.publish(event_of("a"));
        listener.cancel();
        if (!event_first)
            bus.publish(event_of("a"));
        const auto failure = co_await test::failure_of(listener.join());
        CHECK(failure == asio::error::operation_aborted);
        const auto texts = co_await read(stream, 1);
        CHECK(texts == "a");
    });
}

TEST_CASE("a second next() at a time is refused, and the first goes on") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event_bus bus{10};
        auto stream = bus.subscribe();
        test::started<std::string> listener{io.get_executor(), read(stream, 1)};
        co_await test::yield(3);
        const auto failure = co_await test::failure_of(stream.next());
        CHECK(failure == errc::too_many_waiters);
        bus.publish(event_of("a"));
        const auto texts = co_await listener.join();
        CHECK(texts == "a");
    });
}

TEST_CASE("once the bus is closed a stream gives what it has and ends") {
    test::run_io([](asio::io_context&) -> asio::awaitable<void> {
        event_bus bus{10};
        auto stream = bus.subscribe();
        bus.publish(event_of("a"));
        bus.close();
        bus.publish(event_of("late"));
        CHECK_FALSE(bus.anybody());
        const auto texts = co_await read(stream, 1);
        CHECK(texts == "a");
        for (int i = 0; i < 2; ++i) {
            const auto failure = co_await test::failure_of(stream.next());
            CHECK(failure == errc::stopped);
        }
        auto newcomer = bus.subscribe();
        const auto failure = co_await test::failure_of(newcomer.next());
        CHECK(failure == errc::stopped);
        CHECK_FALSE(newcomer.try_next());
    });
}

TEST_CASE("a stream outlives its bus") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        std::optional<event_bus> bus{10};
        auto stream = bus->subscribe();
        test::started<std::string> waiting{io.get_executor(), read(stream, 1)};
        co_await test::yield(3);
        bus.reset();
        const auto failure = co_await test::failure_of(waiting.join());
        CHECK(failure == errc::stopped);
        CHECK(stream.lost() == 0);
    });
}

TEST_CASE("a stream that is destroyed is forgotten, and whoever waits for it is told") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event_bus bus{10};
        std::optional stream = bus.subscribe();
        test::started<manager_event> waiting{io.get_executor(), stream->next()};
        co_await test::yield(3);
        stream.reset();
        bus.publish(event_of("a"));
        const auto failure = co_await test::failure_of(waiting.join());
        CHECK(failure == asio::error::operation_aborted);
        CHECK_FALSE(bus.anybody());
    });
}

TEST_CASE("a stream can be moved while its next() waits") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<event_stream>);
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event_bus bus{10};
        auto stream = bus.subscribe();
        test::started<manager_event> waiting{io.get_executor(), stream.next()};
        co_await test::yield(3);
        auto moved = std::move(stream);
        bus.publish(event_of("a"));
        const auto taken = co_await waiting.join();
        CHECK(taken.text == "a");

        auto other = bus.subscribe();
        bus.publish(event_of("b"));
        other = std::move(moved);
        bus.publish(event_of("c"));
        CHECK(read_waiting(other) == "bc");
    });
}

TEST_CASE("an io_context may go while a listener waits in it, and its stream may stay") {
    event_bus bus{10};
    std::string texts;
    auto outside = bus.subscribe();
    {
        asio::io_context io;
        asio::co_spawn(io, listen(bus.subscribe(), texts), [](std::exception_ptr) {});
        asio::co_spawn(io, outside.next(), [](std::exception_ptr, manager_event) {});
        io.poll();
        bus.publish(event_of("a"));
        io.restart();
        io.poll();
        CHECK(texts == "a");
        bus.publish(event_of("b"));  // woken, but not run any more
    }
    bus.publish(event_of("c"));
    CHECK(texts == "a");
    CHECK(read_waiting(outside) == "bc");
}
