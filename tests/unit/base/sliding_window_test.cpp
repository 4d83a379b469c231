#include <random>

#include "base/sliding_window.hpp"
#include "catch.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

const steady_time t0{1000h};

}  // namespace

TEST_CASE("a sliding window lets its count through and then one whenever another leaves it") {
    sliding_window window{3, 10s};
    for (int i = 0; i < 3; ++i) {
        CHECK(window.delay(t0 + i * 1s) == 0s);
        window.take(t0 + i * 1s);
    }
    CHECK(window.delay(t0 + 3s) == 7s);
    CHECK(window.delay(t0 + 10s) == 0s);
    window.take(t0 + 10s);
    CHECK(window.delay(t0 + 10s) == 1s);
}

TEST_CASE("a sliding window says how long each of a queue waits") {
    sliding_window window{2, 10s};
    window.take(t0);
    window.take(t0 + 4s);
    const auto now = t0 + 5s;
    CHECK(window.delay(now, 0) == 5s);
    CHECK(window.delay(now, 1) == 9s);
    CHECK(window.delay(now, 2) == 15s);
    CHECK(window.delay(now, 3) == 19s);
    CHECK(sliding_window(2, 10s).delay(now, 1) == 0s);
    CHECK(sliding_window(2, 10s).delay(now, 4) == 20s);
}

TEST_CASE("no span of a sliding window ever has more acts than its count") {
    std::mt19937 random{1};
    for (int count = 1; count <= 5; ++count) {
        sliding_window window{count, 100s};
        std::vector<steady_time> acts;
        auto now = t0;
        for (int i = 0; i < 500; ++i) {
            now += std::chrono::seconds{random() % 60};
            const auto predicted = window.delay(now);
            now += predicted;
            REQUIRE(window.delay(now) == 0s);
            window.take(now);
            acts.push_back(now);
            const auto n = static_cast<std::size_t>(count);
            if (acts.size() > n)
                CHECK(acts.back() - acts[acts.size() - 1 - n] >= 100s);
        }
    }
}

TEST_CASE("what a sliding window predicts for a queue is what happens to it") {
    std::mt19937 random{2};
    for (int round = 0; round < 50; ++round) {
        sliding_window window{static_cast<int>(1 + random() % 4), 100s};
        auto now = t0;
        for (int i = 0; i < 3; ++i) {
            now += std::chrono::seconds{random() % 50};
            now += window.delay(now);
            window.take(now);
        }
        std::vector<duration> predicted;
        for (std::size_t ahead = 0; ahead < 10; ++ahead)
            predicted.push_back(window.delay(now, ahead));
        for (const auto wait : predicted) {
            const auto turn = now + wait;
            CHECK(window.delay(turn) == 0s);
            CHECK((wait == 0s || window.delay(turn - 1ns) > 0s));
            window.take(turn);
        }
    }
}

TEST_CASE("a sliding window of no count or no length never limits") {
    for (auto window : {sliding_window{0, 10s}, sliding_window{-1, 10s}, sliding_window{5, 0s}}) {
        for (int i = 0; i < 100; ++i) {
            CHECK(window.delay(t0, 1000) == 0s);
            window.take(t0);
        }
        CHECK(window.taken(t0).empty());
        window.restore({1s, 2s}, t0);
        CHECK(window.delay(t0) == 0s);
    }
}

TEST_CASE("a sliding window survives a restart, and damage cannot close it for longer than itself") {
    sliding_window before{2, 10s};
    before.take(t0);
    before.take(t0 + 4s);
    CHECK(before.taken(t0 + 5s) == std::vector<duration>{5s, 1s});
    CHECK(before.taken(t0 + 11s) == std::vector<duration>{7s});

    const steady_time other_start{5s};
    sliding_window after{2, 10s};
    after.restore({1s, 5s}, other_start);
    CHECK(after.delay(other_start) == 5s);
    CHECK(after.taken(other_start) == std::vector<duration>{5s, 1s});

    sliding_window damaged{2, 10s};
    damaged.restore({-1000h, 3s, 20s, 4s, duration::min(), duration::max()}, other_start);
    CHECK(damaged.delay(other_start) == 10s);
    CHECK(damaged.taken(other_start).size() == 2);
}
