#include "catch.hpp"
#include "turns.hpp"

namespace simulation {

namespace {

using namespace std::chrono_literals;

using evercert::wall_time;

constexpr wall_time t0{1'000'000h};

struct two_due {
    two_due() {
        for (const auto* each : {"a", "b"})
            of.due(each, t0, t0);
        ask("a", 40, t0 - 2h);
        ask("b", 4, t0 - 2h);
    }
    void ask(const std::string& name, int times, wall_time at) {
        while (times-- > 0)
            of.asked(name, at);
    }
    std::uint64_t out_of_turn(const std::string& first, wall_time at) {
        of.went(first, at, [&](const std::string& name) { return name == chosen; });
        return of.out_of_turn();
    }
    turns of;
    std::string chosen;
};

}  // namespace

TEST_CASE("who is wanted more goes first") {
    two_due good, bad;
    CHECK(good.out_of_turn("a", t0 + 10min) == 0);
    CHECK(good.out_of_turn("b", t0 + 11min) == 0);
    CHECK(good.of.checked() == 1);
    CHECK(bad.out_of_turn("b", t0 + 10min) == 1);
}

TEST_CASE("whose window is over goes before whose is not, whatever clients want") {
    two_due of;
    of.of.due("a", t0, t0 + 1h);
    CHECK(of.out_of_turn("a", t0 + 10min) == 1);
    two_due in_time;
    for (const auto* each : {"a", "b"})
        in_time.of.due(each, t0, t0 + 1h);
    CHECK(in_time.out_of_turn("b", t0 + 10min) == 0);
}

TEST_CASE("what a manager could not know is not held against it") {
    two_due just_due, chosen, asked_since, both_wanted, left, restarted;
    CHECK(just_due.out_of_turn("b", t0 + 4min) == 0);
    chosen.chosen = "a";
    CHECK(chosen.out_of_turn("b", t0 + 10min) == 0);
    asked_since.ask("b", 50, t0 + 5min);
    CHECK(asked_since.out_of_turn("b", t0 + 10min) == 0);
    both_wanted.ask("b", 20, t0 - 1h);
    CHECK(both_wanted.out_of_turn("b", t0 + 10min) == 0);
    left.of.left("a");
    CHECK(left.out_of_turn("b", t0 + 10min) == 0);
    restarted.of.restarted();
    restarted.of.due("a", t0, t0), restarted.of.due("b", t0, t0);
    CHECK(restarted.out_of_turn("b", t0 + 10min) == 0);
}

TEST_CASE("what is asked for now is seen in an hour, and counts half each day") {
    two_due late;
    late.ask("b", 200, t0);
    CHECK(late.out_of_turn("a", t0 + 30min) == 0);
    two_due later;
    later.ask("b", 200, t0);
    CHECK(later.out_of_turn("a", t0 + 66min) == 1);
    // 40 of four days ago are one or two by now.
    two_due long_ago;
    CHECK(long_ago.out_of_turn("b", t0 + std::chrono::days{4}) == 0);
}

}  // namespace simulation
