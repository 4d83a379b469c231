#include <string>
#include <vector>

#include <evercert/error.hpp>

#include "base/rate_limiter.hpp"
#include "catch.hpp"
#include "fake_clock.hpp"
#include "run.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

const steady_time t0{1000h};
constexpr duration forever = std::chrono::hours{24 * 365};

}  // namespace

TEST_CASE("a token bucket gives its burst at once and then one token an interval") {
    token_bucket bucket{1min, 3};
    for (int i = 0; i < 3; ++i) {
        CHECK(bucket.delay(t0) == 0s);
        bucket.take(t0);
    }
    CHECK(bucket.delay(t0) == 1min);
    CHECK(bucket.delay(t0 + 59s) == 1s);
    CHECK(bucket.delay(t0 + 60s) == 0s);
    bucket.take(t0 + 60s);
    CHECK(bucket.delay(t0 + 60s) == 60s);
}

TEST_CASE("a token bucket never holds more than its burst, however long it rests") {
    token_bucket bucket{1min, 2};
    bucket.take(t0);
    const auto later = t0 + 1000h;
    for (int i = 0; i < 2; ++i) {
        CHECK(bucket.delay(later) == 0s);
        bucket.take(later);
    }
    CHECK(bucket.delay(later) == 1min);
}

TEST_CASE("an interval of zero never limits") {
    token_bucket bucket{0s, 1};
    for (int i = 0; i < 1000; ++i) {
        CHECK(bucket.delay(t0) == 0s);
        bucket.take(t0);
    }
}

TEST_CASE("a bucket's debt survives, and a damaged one cannot close it for ever") {
    token_bucket spent{1min, 2};
    spent.take(t0);
    spent.take(t0);
    CHECK(spent.debt(t0) == 2min);
    token_bucket restored{1min, 2};
    restored.restore(spent.debt(t0), t0);
    CHECK(restored.delay(t0) == 1min);
    restored.restore(1000000h, t0);
    CHECK(restored.delay(t0) == 1min);
    restored.restore(-5h, t0);
    CHECK(restored.delay(t0) == 0s);
}

namespace {

asio::awaitable<void> take_turn(
    rate_limiter& limiter, std::vector<std::string>& log, std::string name, urgency urgent = urgency::ordinary) {
    co_await limiter.acquire(forever, urgent);
    log.push_back(name);
}

struct fixture {
    asio::io_context io;
    std::shared_ptr<test::fake_clock> clock = std::make_shared<test::fake_clock>(io.get_executor());
    rate_limiter limiter{io.get_executor(), clock, token_bucket{1min, 1}, "orders", 3};
    std::vector<std::string> log;
    std::vector<std::unique_ptr<test::started<void>>> queue;

    ~fixture() {
        queue.clear();
        settle();
    }
    void come(std::string name, urgency urgent = urgency::ordinary) {
        queue.push_back(
            std::make_unique<test::started<void>>(io.get_executor(), take_turn(limiter, log, std::move(name), urgent)));
        settle();
    }
    void settle() {
        io.restart();
        io.poll();
    }
    void advance(duration by) {
        clock->advance(by);
        settle();
    }
};

}  // namespace

TEST_CASE("waiters of a limiter get tokens in the order in which they came") {
    fixture f;
    test::started<void> a{f.io.get_executor(), take_turn(f.limiter, f.log, "a")};
    f.settle();
    CHECK(f.log == std::vector<std::string>{"a"});
    test::started<void> b{f.io.get_executor(), take_turn(f.limiter, f.log, "b")};
    f.settle();
    test::started<void> c{f.io.get_executor(), take_turn(f.limiter, f.log, "c")};
    f.settle();
    CHECK(f.limiter.expected_wait() == 3min);
    f.advance(59s);
    CHECK(f.log.size() == 1);
    f.advance(1s);
    CHECK(f.log == std::vector<std::string>{"a", "b"});
    f.advance(60s);
    CHECK(f.log == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("a cancelled waiter leaves the queue, and those behind it move up") {
    fixture f;
    test::started<void> a{f.io.get_executor(), take_turn(f.limiter, f.log, "a")};
    f.settle();
    test::started<void> b{f.io.get_executor(), take_turn(f.limiter, f.log, "b")};
    f.settle();
    test::started<void> c{f.io.get_executor(), take_turn(f.limiter, f.log, "c")};
    f.settle();
    b.cancel();
    f.settle();
    CHECK(b.ended());
    f.advance(60s);
    CHECK(f.log == std::vector<std::string>{"a", "c"});
}

TEST_CASE("who would wait too long is refused at once with the time, and takes no token") {
    fixture f;
    test::run_io(f.io, take_turn(f.limiter, f.log, "a"));
    try {
        test::run_io(f.io, f.limiter.acquire(30s));
        FAIL("not refused");
    } catch (const error& e) {
        CHECK(e.code() == errc::rate_limited);
        CHECK(e.retry_after() == 60s);
        CHECK(std::string{e.what()}.find("orders") != std::string::npos);
    }
    CHECK(f.limiter.expected_wait() == 60s);
}

TEST_CASE("a limiter's queue is bounded") {
    fixture f;
    f.limiter.restore(1min);
    std::vector<std::unique_ptr<test::started<void>>> waiting;
    for (int i = 0; i < 5; ++i) {
        waiting.push_back(std::make_unique<test::started<void>>(f.io.get_executor(), take_turn(f.limiter, f.log, "x")));
        f.settle();
    }
    int refused = 0;
    for (auto& one : waiting)
        refused += one->ended();
    CHECK(refused == 2);
    waiting.clear();
    f.settle();
}

TEST_CASE("who is urgent gets the next token, the urgent ones in the order in which they came") {
    fixture f;
    f.come("taken");
    f.come("a");
    f.come("b");
    f.come("renewal 1", urgency::first);
    f.come("renewal 2", urgency::first);
    CHECK(f.limiter.waiting() == 4);
    CHECK(f.limiter.expected_wait() == 5min);
    CHECK(f.limiter.expected_wait(urgency::first) == 3min);
    for (int i = 0; i < 4; ++i)
        f.advance(1min);
    CHECK(f.log == std::vector<std::string>{"taken", "renewal 1", "renewal 2", "a", "b"});
}

TEST_CASE("a token that is there goes to whoever comes") {
    fixture f;
    f.come("a");
    f.advance(1min);
    f.come("renewal", urgency::first);
    f.advance(1min);
    f.come("b");
    CHECK(f.log == std::vector<std::string>{"a", "renewal", "b"});
}

TEST_CASE("whoever is cancelled in the queue, no token is lost and the others go on") {
    const std::vector<std::string> waiting{"renewal 1", "renewal 2", "a", "b", "c"};
    for (std::size_t leaver = 0; leaver < waiting.size(); ++leaver) {
        INFO(waiting[leaver]);
        fixture f;
        f.come("taken");
        for (const auto* name : {"a", "b", "c"})
            f.come(name);
        for (const auto* name : {"renewal 1", "renewal 2"})
            f.come(name, urgency::first);
        const std::size_t started = leaver < 2 ? leaver + 4 : leaver - 1;
        f.advance(30s);
        f.queue[started]->cancel();
        f.settle();
        CHECK(f.queue[started]->ended());
        f.advance(30s);
        for (int i = 0; i < 3; ++i)
            f.advance(1min);
        auto expected = waiting;
        expected.erase(expected.begin() + static_cast<long>(leaver));
        expected.insert(expected.begin(), "taken");
        CHECK(f.log == expected);
        CHECK(f.limiter.waiting() == 0);
        CHECK(f.limiter.expected_wait() == 1min);
    }
}

TEST_CASE("an urgent one that is cancelled gives the token back to the one it overtook") {
    fixture f;
    f.come("taken");
    f.come("a");
    f.advance(59s);
    f.come("renewal", urgency::first);
    f.queue.back()->cancel();
    f.settle();
    f.advance(1s);
    CHECK(f.log == std::vector<std::string>{"taken", "a"});
}

TEST_CASE("a full queue of ordinary ones refuses no renewal") {
    fixture f;
    f.come("taken");
    for (int i = 0; i < 4; ++i)
        f.come("new");
    CHECK(f.queue.back()->ended());
    f.come("renewal", urgency::first);
    CHECK_FALSE(f.queue.back()->ended());
    CHECK(f.limiter.waiting() == 4);
}

TEST_CASE("a limiter over a sliding window keeps every span below its count, and remembers across restarts") {
    asio::io_context io;
    auto clock = std::make_shared<test::fake_clock>(io.get_executor());
    ceiling_limiter limiter{io.get_executor(), clock, sliding_window{2, 10s}, "orders at once", 10};
    test::run_io(io, limiter.acquire(0s));
    clock->advance(4s);
    test::run_io(io, limiter.acquire(0s));
    CHECK(limiter.expected_wait() == 6s);
    try {
        test::run_io(io, limiter.acquire(5s));
        FAIL("not refused");
    } catch (const error& e) {
        CHECK(e.retry_after() == 6s);
    }
    test::started<void> waiting{io.get_executor(), limiter.acquire(6s)};
    io.restart();
    io.poll();
    CHECK(limiter.expected_wait() == 10s);
    clock->advance(6s);
    io.restart();
    io.poll();
    CHECK(waiting.ended());
    CHECK(limiter.taken() == std::vector<duration>{6s, 0s});

    ceiling_limiter after{io.get_executor(), clock, sliding_window{2, 10s}, "orders at once", 10};
    after.restore(limiter.taken());
    CHECK(after.expected_wait() == 4s);
}
