#include <atomic>
#include <thread>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>

#include <evercert/error.hpp>

#include "catch.hpp"
#include "manager/event_bus.hpp"

using namespace evercert;

namespace {

constexpr int publishers = 2;
constexpr int listeners = 4;
constexpr int events = 500;

manager_event event_of(int publisher) {
    manager_event made;
    made.text = std::to_string(publisher);
    return made;
}

/// Counts what it gets until the bus is closed.
asio::awaitable<void> listen(event_stream own, std::atomic<int>& got, std::atomic<int>& lost) {
    int taken = 0;
    bool open = true;
    while (open) {
        try {
            const auto event = co_await own.next();
            taken += !event.text.empty();
        } catch (const error& e) {
            open = e.code() != errc::stopped;
        }
    }
    got += taken;
    lost += static_cast<int>(own.lost());
}

void publish_all(event_bus& to) {
    for (int i = 0; i < events; ++i)
        to.publish(event_of(i));
}

}  // namespace

TEST_CASE("events reach listeners on other threads, or are counted as lost") {
    std::atomic<int> got = 0, lost = 0;
    asio::thread_pool pool{2};
    event_bus bus{16};
    for (int i = 0; i < listeners; ++i)
        asio::co_spawn(pool, listen(bus.subscribe(), got, lost), [](std::exception_ptr) {});
    {
        std::thread first{[&] { publish_all(bus); }}, second{[&] { publish_all(bus); }};
        first.join();
        second.join();
    }
    bus.close();
    pool.join();
    CHECK(got > 0);
    CHECK(got + lost == listeners * publishers * events);
}

TEST_CASE("listeners come and go while events are published") {
    event_bus bus{4};
    std::atomic<bool> done = false;
    std::thread publisher{[&] {
        while (!done)
            bus.publish(event_of(1));
    }};
    std::atomic<int> got = 0, lost = 0;
    for (int i = 0; i < 200; ++i) {
        // Ends with a listener that waits, is woken or has gone: whatever the publisher is at.
        asio::io_context io;
        asio::co_spawn(io, listen(bus.subscribe(), got, lost), [](std::exception_ptr) {});
        io.run_one();
        io.poll_one();
    }
    done = true;
    publisher.join();
    CHECK_FALSE(bus.anybody());
}
