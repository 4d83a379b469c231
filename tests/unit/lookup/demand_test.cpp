#include <thread>
#include <vector>

#include "catch.hpp"
#include "lookup/demand.hpp"

using namespace evercert;

TEST_CASE("what was wanted counts half a day later, and nothing after a month") {
    demand wanted;
    CHECK(wanted.on(0) == 0);
    for (int i = 0; i < 100; ++i)
        wanted.note(3);
    CHECK(wanted.on(3) == 100);
    CHECK(wanted.on(4) == 50);
    wanted.note(5);
    CHECK(wanted.on(5) == 26);
    CHECK(wanted.on(36) == 0);
    CHECK(wanted.on(37) == 0);
    wanted.note(400);
    CHECK(wanted.on(400) == 1);
}

TEST_CASE("who takes the place of another is wanted as much, and not less than before") {
    demand before, fresh;
    for (int i = 0; i < 8; ++i)
        before.note(1);
    fresh.note(2);
    fresh.succeed(before, 2);
    CHECK(fresh.on(2) == 4);
    demand unwanted;
    fresh.succeed(unwanted, 2);
    CHECK(fresh.on(2) == 4);
}

TEST_CASE("threads that want the same at once are all counted") {
    demand wanted;
    wanted.note(1);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int n = 0; n < 10'000; ++n)
                wanted.note(1);
        });
    for (auto& each : threads)
        each.join();
    CHECK(wanted.on(1) == 40'001);
}
