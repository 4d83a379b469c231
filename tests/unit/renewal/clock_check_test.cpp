#include "catch.hpp"
#include "renewal/clock_check.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using std::chrono::days;
using verdict = clock_opinion::verdict;

namespace {

const wall_time truth = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
const wall_time epoch{};
const wall_time year_2050 = std::chrono::sys_days{std::chrono::year{2050} / 1 / 1};
const steady_time boot{1000s};
constexpr duration tolerance = 10min;

/// The CA answered at `truth`, when our clock showed `wall`.
clock_evidence answered(wall_time wall = truth) {
    clock_evidence evidence;
    evidence.ca = clock_evidence::answer{truth, {wall, boot}};
    return evidence;
}

clock_opinion judge(const clock_evidence& evidence, wall_time wall, duration awake = {}) {
    return judge_clock(evidence, {wall, boot + awake}, tolerance);
}

}  // namespace

TEST_CASE("a clock that nothing contradicts is trusted") {
    CHECK(judge({}, epoch).is == verdict::trusted);
    CHECK(judge({}, truth).because.empty());
    clock_evidence evidence;
    evidence.last_write = truth;
    evidence.newest_not_before = truth - 1h;
    CHECK(judge(evidence, truth + 1h).is == verdict::trusted);
    CHECK(judge(evidence, truth - tolerance).is == verdict::trusted);
    CHECK(judge(answered(), truth + 1h, 1h).is == verdict::trusted);
}

TEST_CASE("a machine that boots in 1970 is doubted by what it saved, by its certificates and by the CA") {
    clock_evidence saved;
    saved.last_write = truth;
    CHECK(judge(saved, epoch).is == verdict::doubted);
    CHECK(
        judge(saved, epoch).because ==
        "the wall clock shows 1970-01-01T00:00:00Z, but the state was saved at 2026-06-01T00:00:00Z");

    clock_evidence held;
    held.newest_not_before = truth;
    CHECK(judge(held, epoch + 1h).is == verdict::doubted);
    CHECK_THAT(judge(held, epoch).because, ContainsSubstring("issued after 2026-06-01T00:00:00Z"));

    CHECK(judge(answered(epoch), epoch + 5s, 5s).is == verdict::doubted);
    CHECK(
        judge(answered(epoch), epoch + 5s, 5s).because ==
        "the wall clock shows 1970-01-01T00:00:05Z, 20605 d behind: the CA's answer of 5 s ago said "
        "2026-06-01T00:00:00Z");
}

TEST_CASE("a clock in 2050 is doubted once the CA has answered, and trusted as soon as it is set right") {
    const auto evidence = answered(year_2050);
    CHECK(judge(evidence, year_2050 + 5s, 5s).is == verdict::doubted);
    CHECK_THAT(judge(evidence, year_2050, 0s).because, ContainsSubstring("ahead"));
    CHECK(judge(evidence, year_2050 + 30 * days{1}, 30 * days{1}).is == verdict::doubted);
    CHECK(judge(evidence, truth + 1h, 1h).is == verdict::trusted);
}

TEST_CASE("what was saved while the clock was ahead is no evidence against the CA's answer") {
    auto evidence = answered(truth);
    evidence.last_write = year_2050;
    evidence.newest_not_before = year_2050;
    CHECK(judge(evidence, truth + 1h, 1h).is == verdict::trusted);
    CHECK(judge(evidence, year_2050, 1h).is == verdict::ask_again);
}

TEST_CASE("a clock that runs away while the machine was off has to be confirmed by the CA") {
    clock_evidence evidence;
    evidence.last_write = truth;
    evidence.newest_not_before = truth - days{10};
    CHECK(judge(evidence, truth + days{300}).is == verdict::trusted);
    CHECK(judge(evidence, year_2050).is == verdict::ask_again);
    CHECK_THAT(judge(evidence, year_2050).because, ContainsSubstring("after the state was saved"));
    evidence.ca = clock_evidence::answer{year_2050 + 1s, {year_2050, boot}};
    CHECK(judge(evidence, year_2050).is == verdict::trusted);
}

TEST_CASE("a step back is doubted if it is beyond the tolerance, whoever ordered it") {
    CHECK(judge(answered(), truth + 24h - 1h, 24h).is == verdict::doubted);
    CHECK(judge(answered(), truth + 24h - 5min, 24h).is == verdict::trusted);
    clock_evidence saved;
    saved.last_write = truth;
    CHECK(judge(saved, truth - 1h).is == verdict::doubted);
    CHECK(judge(saved, truth - 5min).is == verdict::trusted);
}

TEST_CASE("a step forward by an hour, as by a time zone taken for UTC, has to be confirmed") {
    const auto opinion = judge(answered(), truth + 24h + 1h, 24h);
    CHECK(opinion.is == verdict::ask_again);
    CHECK_THAT(opinion.because, ContainsSubstring("moved on 1 h more than the machine was awake"));
    auto confirmed = answered();
    confirmed.ca = clock_evidence::answer{truth + 24h, {truth + 25h, boot + 24h}};
    CHECK(judge(confirmed, truth + 25h, 24h).is == verdict::doubted);
}

TEST_CASE("a machine that was suspended for 3 days is asked about, not doubted, and trusted after the CA's answer") {
    const auto woken = truth + days{3} + 1h;
    CHECK(judge(answered(), woken, 1h).is == verdict::ask_again);
    clock_evidence confirmed;
    confirmed.ca = clock_evidence::answer{woken, {woken, boot + 1h}};
    CHECK(judge(confirmed, woken, 1h).is == verdict::trusted);
}

TEST_CASE("a clock that was ahead before a suspend is asked about: it may have been set right meanwhile") {
    const auto evidence = answered(truth + 2h);
    CHECK(judge(evidence, truth + 2h + 1h, 1h).is == verdict::doubted);
    CHECK(judge(evidence, truth + 1h + 3h, 1h).is == verdict::ask_again);
}

TEST_CASE("leap seconds, slewing and the seconds of an answer's way are within the tolerance") {
    CHECK(judge(answered(truth + 2s), truth + 1h + 1s, 1h).is == verdict::trusted);
    CHECK(judge(answered(truth - 2s), truth + 1h - 3s, 1h).is == verdict::trusted);
    CHECK(judge(answered(truth + tolerance), truth + tolerance, 0s).is == verdict::trusted);
    CHECK_FALSE(stepped({truth, boot}, {truth + 1h + 1s, boot + 1h}, 2s));
}

TEST_CASE("small deviations that add up beyond the tolerance are asked about") {
    CHECK(judge(answered(truth + 6min), truth + 1h + 12min, 1h).is == verdict::ask_again);
}

TEST_CASE("dates at the ends of time are judged without overflow") {
    auto evidence = answered();
    CHECK(judge(evidence, wall_time::min(), 1h).is == verdict::doubted);
    CHECK(judge(evidence, wall_time::max(), 1h).is == verdict::ask_again);
    evidence.ca->date = wall_time::max();
    CHECK(judge(evidence, truth, 1h).is == verdict::doubted);
    evidence.ca->date = wall_time::min();
    CHECK(judge(evidence, truth, 0s).is == verdict::doubted);
    clock_evidence saved;
    saved.last_write = wall_time::max();
    CHECK(judge(saved, truth).is == verdict::doubted);
    saved.last_write = wall_time::min();
    CHECK(judge(saved, truth).is == verdict::ask_again);
}

TEST_CASE("a step is how much the wall clock moved more than steady time") {
    const clock_look before{truth, boot};
    CHECK_FALSE(stepped(before, {truth + 1h, boot + 1h}, 1s));
    CHECK(stepped(before, {truth + 3h, boot + 1h}, 1s) == 2h);
    CHECK(stepped(before, {truth, boot + 1h}, 1s) == -1h);
    CHECK(stepped(before, {truth + 1s, boot}, 1s) == std::nullopt);
    CHECK(stepped(before, {truth - 2s, boot}, 1s) == -2s);
}

TEST_CASE("time is counted on from the last look that was believed while a step is not confirmed") {
    const clock_look believed{truth, boot};
    const auto counted = [&](wall_time wall, duration awake) {
        return counted_time(believed, wall_time{}, {wall, boot + awake}, tolerance);
    };
    CHECK(counted(truth + 1h, 1h) == truth + 1h);
    CHECK(counted(truth + 1h + 9min, 1h) == truth + 1h + 9min);
    CHECK(counted(truth + 1h - 9min, 1h) == truth + 1h - 9min);
    CHECK(counted(epoch, 1h) == truth + 1h);
    CHECK(counted(year_2050, 1h) == truth + 1h);
    CHECK(counted(truth + days{3}, 1h) == truth + 1h);
    CHECK(counted(wall_time::max(), 1h) == truth + 1h);
    CHECK(counted(wall_time::min(), 1h) == truth + 1h);
}

TEST_CASE("before any look was believed, time is counted from the last write if the clock contradicts it") {
    const auto counted = [](wall_time last_write, wall_time wall) {
        return counted_time(std::nullopt, last_write, {wall, boot}, tolerance);
    };
    CHECK(counted({}, truth) == truth);
    CHECK(counted({}, epoch + 1h) == epoch + 1h);
    CHECK(counted({}, year_2050) == year_2050);
    CHECK(counted(truth, truth + days{300}) == truth + days{300});
    CHECK(counted(truth, truth - 9min) == truth - 9min);
    CHECK(counted(truth, truth - 11min) == truth);
    CHECK(counted(truth, epoch) == truth);
    CHECK(counted(truth, year_2050) == truth);
    CHECK(counted(wall_time::max(), truth) == wall_time::max());
}
