#include <map>
#include <random>

#include "catch.hpp"
#include "renewal/schedule.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using std::chrono::days;

namespace {

const wall_time t0 = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
const retry_options delays;

/// Issued at `t0`, obtained at once.
renewal_facts make_facts(duration lifetime, double draw = 0) {
    renewal_facts facts;
    facts.not_before = facts.obtained = t0;
    facts.not_after = t0 + lifetime;
    facts.draw = draw;
    facts.expired_kept = days{30};
    return facts;
}

planned_act plan(const renewal_facts& facts, wall_time now = t0) { return plan_next(facts, now, delays); }

/// The plan after a failure at `at` for which the table says to wait `wait`.
planned_act plan_after(
    renewal_facts facts, wall_time at, duration wait, failure_class kind = failure_class::connection,
    duration ordered = {}) {
    facts.failed = failed_attempt{kind, at, at + wait, ordered > duration{} ? at + ordered : wall_time{}};
    return plan(facts, at);
}

}  // namespace

TEST_CASE("without a suggestion certificates are renewed with a third of their life left, short ones with half") {
    const std::vector<std::pair<duration, duration>> table{
        {days{90}, days{60}}, {days{64}, duration{days{128}} / 3},
        {days{45}, days{30}}, {days{6}, days{3}},
        {1h, 30min},          {days{10}, days{5}},
    };
    for (const auto& [lifetime, expected] : table) {
        INFO(lifetime / 1h);
        const auto next = plan(make_facts(lifetime));
        CHECK(next.act == next_act::renew);
        CHECK(next.reason == why::lifetime);
        CHECK(next.at - t0 == expected);
        CHECK(plan(make_facts(lifetime, 1)).at - t0 == expected - lifetime / 50);
        const auto due = plan(make_facts(lifetime), t0 + lifetime - 1s);
        CHECK(due.act == next_act::renew);
        CHECK(due.at - t0 == expected);
    }
}

TEST_CASE("a suggested window is followed, before or after the usual time") {
    for (const auto start : {days{20}, days{40}, days{70}}) {
        for (const double draw : {0.0, 0.25, 1.0}) {
            auto facts = make_facts(days{90}, draw);
            facts.window = {t0 + start, t0 + start + days{2}};
            const auto next = plan(facts);
            CHECK(next.reason == why::suggested);
            CHECK(next.at == t0 + start + std::chrono::duration_cast<duration>(draw * duration{days{2}}));
        }
    }
}

TEST_CASE("a window that comes late is not waited for longer than to a twentieth of the lifetime") {
    for (const auto lifetime : std::vector<duration>{days{90}, days{64}, days{45}, days{6}, 1h}) {
        for (const auto start : {t0 + lifetime - lifetime / 30, t0 + lifetime + 1h, t0 + 100 * lifetime}) {
            auto facts = make_facts(lifetime, 0.5);
            facts.window = {start, start + 1h};
            const auto next = plan(facts);
            CHECK(next.act == next_act::renew);
            CHECK(next.at == t0 + lifetime - lifetime / 20);
            CHECK(next.reason == why::emergency);
        }
    }
}

TEST_CASE("absurd windows are harmless") {
    auto facts = make_facts(days{90}, 0.5);
    const auto usual = plan(facts).at;
    facts.window = {t0 + days{40}, t0 + days{39}};
    CHECK(plan(facts).at == usual);
    facts.window = {wall_time::max(), wall_time::min()};
    CHECK(plan(facts).at == usual);
    facts.window = {wall_time::max(), wall_time::max()};
    CHECK(plan(facts).reason == why::emergency);
    facts.window = {wall_time::min(), wall_time::min()};
    CHECK(plan(facts).at == usual);
    facts.draw = 1;
    facts.window = {wall_time::min(), wall_time::max()};
    CHECK(plan(facts).reason == why::emergency);
    facts.draw = 0.5;
    CHECK((plan(facts).at >= t0 + 6h && plan(facts).at <= t0 + days{90}));
    facts.window = {t0 + days{40}, t0 + days{40}};
    CHECK(plan(facts).at == t0 + days{40});
}

TEST_CASE("a window that ended before the certificate was obtained is stale") {
    auto facts = make_facts(days{90}, 0.5);
    const auto usual = plan(facts).at;
    facts.window = {t0 - days{2}, t0};
    CHECK(plan(facts).at == usual);
    CHECK(plan(facts).reason == why::lifetime);
}

TEST_CASE("a CA that suggests the past again and again is followed every 6 hours at most, or an eighth of a life") {
    const std::vector<std::pair<duration, duration>> table{
        {days{90}, 6h}, {days{45}, 6h}, {days{6}, 6h}, {40h, 5h}, {1h, 450s}};
    for (const auto& [lifetime, rest] : table) {
        auto facts = make_facts(lifetime);
        facts.window = {t0 - days{1}, t0 + 1s};
        CHECK(plan(facts).reason == why::suggested);
        CHECK(plan(facts).at == t0 + rest);
    }
}

TEST_CASE("a certificate that had little life left when it was obtained is renewed after an eighth of that") {
    auto facts = make_facts(days{90});
    facts.obtained = facts.not_after - 8h;
    CHECK(plan(facts, facts.obtained).at == facts.obtained + 1h);
    facts.obtained = facts.not_after - days{20};
    CHECK(plan(facts, facts.obtained).at == facts.obtained + 6h);
    facts.obtained = facts.not_after - 4min;
    CHECK(plan(facts, facts.obtained).at == facts.obtained + 1min);
    facts.obtained = facts.not_after + 1h;
    CHECK(plan(facts, facts.obtained).at == facts.obtained + 1min);
    auto backdated = make_facts(2h);
    backdated.obtained = t0 + 1h;
    CHECK(plan(backdated, backdated.obtained).at == t0 + 1h + 450s);
}

TEST_CASE("a failed renewal is tried again when the record says, but so that eight more attempts fit") {
    const auto facts = make_facts(days{90});
    const auto due = t0 + days{60};
    CHECK(plan_after(facts, due, 10min).at == due + 10min);
    CHECK(plan_after(facts, due, 10min).reason == why::retry);
    CHECK(plan_after(facts, due, days{7}).at == due + duration{days{30}} / 8);
    const auto late = facts.not_after - 8h;
    CHECK(plan_after(facts, late, 24h).at == late + 1h);
    CHECK(plan_after(facts, late, 24h, failure_class::name_refused).at == late + 6h);
    const auto last = facts.not_after - 8min;
    CHECK(plan_after(facts, last, 24h).at == last + 5min);
    CHECK(plan_after(facts, last, 24h, failure_class::server).at == last + 1min);
}

TEST_CASE("what the CA ordered is not shortened, whatever is left") {
    const auto facts = make_facts(days{90});
    const auto late = facts.not_after - 8h;
    CHECK(plan_after(facts, late, 24h, failure_class::rate_limited, 24h).at == late + 24h);
    CHECK(plan_after(facts, late, 24h, failure_class::rate_limited, 2h).at == late + 2h);
    CHECK(plan_after(facts, late, 24h, failure_class::server, 1h).at == late + 1h);
}

TEST_CASE("what has expired is tried by the record alone, until it is forgotten") {
    const auto facts = make_facts(days{90});
    const auto late = facts.not_after + 1h;
    CHECK(plan(facts, late).act == next_act::renew);
    CHECK(plan(facts, late).reason == why::expired);
    CHECK(plan_after(facts, late, 24h).at == late + 24h);
    CHECK(plan_after(facts, late, days{7}).at == late + days{7});
    const auto end = facts.not_after + days{30};
    CHECK(plan_after(facts, end - 1h, 24h).act == next_act::forget);
    CHECK(plan_after(facts, end - 1h, 24h).at == end);
    CHECK(plan(facts, end).act == next_act::forget);
    CHECK(plan(facts, end).reason == why::expired);
}

TEST_CASE("a failure from before the certificate, from a clock that was wrong or of nobody says nothing") {
    const auto facts = make_facts(days{90});
    const auto usual = plan(facts).at;
    CHECK(plan_after(facts, t0 - 1h, days{80}).at == usual);
    auto failed = facts;
    failed.failed = failed_attempt{failure_class::server, t0 + days{85}, t0 + days{86}, {}};
    CHECK(plan(failed, t0 + days{61}).at == usual);
    failed.failed = failed_attempt{failure_class::cancelled, t0 + days{61}, t0 + days{62}, {}};
    CHECK(plan(failed, t0 + days{61}).at == usual);
    failed.failed = failed_attempt{failure_class::server, t0 + days{10}, t0 + days{10} + 1min, {}};
    CHECK(plan(failed, t0 + days{11}).at == usual);
    CHECK(plan(failed, t0 + days{11}).reason == why::lifetime);
}

TEST_CASE("renewal information is asked for before the renewal, and no longer once that is due") {
    auto facts = make_facts(days{90});
    facts.poll_at = t0 + 6h;
    CHECK(plan(facts).act == next_act::poll_renewal_info);
    CHECK(plan(facts).at == t0 + 6h);
    CHECK(plan(facts).reason == why::poll);
    CHECK(plan(facts, t0 + days{59}).act == next_act::poll_renewal_info);
    CHECK(plan(facts, t0 + days{60}).act == next_act::renew);
    facts.poll_at = t0 + days{61};
    CHECK(plan(facts).act == next_act::renew);
    facts.poll_at = t0 + days{30};
    facts.failed = failed_attempt{failure_class::server, t0 + days{60}, t0 + days{60} + 1h, {}};
    CHECK(plan(facts, t0 + days{60} + 1min).act == next_act::renew);
    facts.poll_at = facts.not_after + 1h;
    CHECK(plan(facts, facts.not_after + 2h).act == next_act::renew);
}

TEST_CASE("what is no longer admitted is neither renewed nor asked about, and kept until it has been expired") {
    auto facts = make_facts(days{90});
    facts.renewable = false;
    facts.poll_at = t0 + 6h;
    for (const auto now : {t0, t0 + days{70}, t0 + days{100}, t0 + days{500}}) {
        CHECK(plan(facts, now).act == next_act::forget);
        CHECK(plan(facts, now).at == t0 + days{120});
        CHECK(plan(facts, now).reason == why::unwanted);
    }
    facts.expired_kept = -1h;
    CHECK(plan(facts).at == facts.not_after);
    facts.expired_kept = duration::max();
    CHECK(plan(facts).at == wall_time::max());
    facts.renewable = true;
    CHECK(plan(facts, t0 + days{5000}).act == next_act::renew);
}

TEST_CASE("every plan is explained") {
    auto facts = make_facts(days{90});
    CHECK(explain(plan(facts), facts) == "a third of its lifetime is left");
    auto short_lived = make_facts(days{6});
    CHECK(explain(plan(short_lived), short_lived) == "half of its lifetime is left");
    auto suggested = facts;
    suggested.window = {t0 + days{40}, t0 + days{41}};
    CHECK(explain(plan(suggested), suggested) == "the CA suggests 2026-07-11T00:00:00Z to 2026-07-12T00:00:00Z");
    suggested.window = {t0 + days{100}, t0 + days{101}};
    CHECK(
        explain(plan(suggested), suggested) == "a twentieth of its lifetime is left, and the CA suggests a later time");
    auto failed = facts;
    const auto at = t0 + days{61};
    failed.failed = failed_attempt{failure_class::dns, at, at + 5min, {}};
    CHECK(explain(plan(failed, at), failed) == "the last attempt failed (dns) at 2026-08-01T00:00:00Z");
    failed.failed = failed_attempt{failure_class::rate_limited, at, at + 5h + 20min, at + 5h};
    CHECK(
        explain(plan(failed, at), failed) ==
        "the last attempt failed (rate_limited) at 2026-08-01T00:00:00Z, and the CA wants none sooner");
    CHECK(explain(plan(facts, t0 + days{91}), facts) == "it expired at 2026-08-30T00:00:00Z");
    CHECK(explain(plan(facts, t0 + days{121}), facts) == "it has been expired for 30 d");
    facts.poll_at = t0 + 1h;
    CHECK(explain(plan(facts), facts) == "the CA is asked whether it suggests another time of renewal");
    facts.renewable = false;
    CHECK(
        explain(plan(facts), facts) ==
        "its names are no longer admitted or it has a successor with another key, and it is not renewed");
}

TEST_CASE("whatever the facts, acts move forward and attempts that succeed come before the end") {
    std::mt19937_64 random{3};
    const auto pick = [&](duration from, duration to) {
        return from +
            duration{static_cast<std::int64_t>(random() % static_cast<std::uint64_t>((to - from).count() + 1))};
    };
    const std::vector<duration> lifetimes{1h, days{6}, days{10}, days{45}, days{64}, days{90}, days{398}};
    for (int round = 0; round < 2000; ++round) {
        const auto lifetime = lifetimes[random() % lifetimes.size()];
        auto facts = make_facts(lifetime, std::uniform_real_distribution<double>{}(random));
        facts.obtained = t0 + pick(0s, lifetime - 10min);
        if (random() % 2) {
            const auto start = t0 + pick(-lifetime, 2 * lifetime);
            facts.window = {start, start + pick(-1h, lifetime)};
        }
        auto now = facts.obtained;
        if (random() % 2)
            facts.poll_at = now + pick(-1h, 6h);
        int polls = 0;
        for (;;) {
            const auto next = plan(facts, now);
            REQUIRE((next.act == next_act::renew || next.act == next_act::poll_renewal_info));
            now = std::max(now, next.at);
            REQUIRE(plan(facts, now).at <= now);
            if (next.act == next_act::renew)
                break;
            facts.poll_at = now + pick(1h, 24h);
            REQUIRE(++polls <= lifetime / 1h + 1);
        }
        CHECK(now < facts.not_after);
        const auto life = facts.not_after - facts.obtained;
        CHECK(now - facts.obtained >= std::min<duration>(life / 8, 6h));
    }
}

TEST_CASE("whatever fails, attempts go on, ever slower in a row and never closer than their class allows") {
    std::mt19937_64 random{4};
    for (int round = 0; round < 500; ++round) {
        auto facts = make_facts(days{90}, 0.5);
        auto now = plan(facts).at;
        int failures = 0;
        while (now < facts.not_after + days{30}) {
            const auto kind = static_cast<failure_class>(random() % (failure_class_count - 1));
            const auto delay = delays.of(kind);
            duration wait = delay.first;
            for (int i = 0; i < failures && wait < delay.most; ++i)
                wait *= 2;
            ++failures;
            const duration ordered = random() % 10 == 0 ? duration{days{2}} : duration{};
            const auto retry_at = now + std::max(std::min<duration>(wait, delay.most), ordered);
            facts.failed = failed_attempt{kind, now, retry_at, ordered > duration{} ? now + ordered : wall_time{}};
            const auto next = plan(facts, now);
            CHECK(next.at >= std::min(now + std::max<duration>(delay.first, ordered), facts.not_after + days{30}));
            CHECK(next.at <= retry_at);
            now = next.at;
            if (next.act == next_act::forget)
                break;
        }
        CHECK(plan(facts, now).act == next_act::forget);
    }
}

TEST_CASE("a month of failures costs few attempts, and more of them the nearer the end") {
    struct row {
        failure_class kind;
        int month;     ///< attempts in the 30 days to the end
        int last_day;  ///< of these
    };
    const std::vector<row> table{
        {failure_class::name_refused, 32, 4}, {failure_class::caa, 70, 26},          {failure_class::dns, 80, 35},
        {failure_class::connection, 80, 35},  {failure_class::rate_limited, 58, 16}, {failure_class::server, 172, 47},
        {failure_class::our_mistake, 58, 16}, {failure_class::local, 756, 55},
    };
    for (const auto& row : table) {
        auto facts = make_facts(days{90});
        auto now = plan(facts).at;
        const auto delay = delays.of(row.kind);
        duration wait = delay.first;
        int month = 0;
        int last_day = 0;
        while (now < facts.not_after) {
            ++month;
            last_day += facts.not_after - now <= 24h;
            facts.failed = failed_attempt{row.kind, now, now + wait, {}};
            wait = std::min<duration>(2 * wait, delay.most);
            now = plan(facts, now).at;
        }
        INFO(to_string(row.kind));
        CHECK(month == row.month);
        CHECK(last_day == row.last_day);
    }
}
