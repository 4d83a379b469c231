#include "renewal/schedule.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/wall_time.hpp"

namespace evercert {
namespace {

constexpr duration short_lived = std::chrono::days{10};
/// Nothing is renewed sooner after it was obtained.
constexpr duration rest_most = std::chrono::hours{6};
/// For what comes with hardly any of its life left: seconds would be a loop.
constexpr duration rest_least = std::chrono::minutes{1};
/// So many attempts fit into what is left of a certificate after each failure.
constexpr int attempts_left = 8;
/// A failure from further in the future was noted by a wrong clock.
constexpr duration step_back_max = std::chrono::days{1};
/// Suggestions from further away are as good as from here.
constexpr duration window_reach = std::chrono::days{366};
/// Of its wait a poll may come so much later.
constexpr int poll_delay_share = 8;
constexpr duration polls_apart_least = std::chrono::minutes{1};
/// 64 minutes for a wait of a day, which is the longest that the client takes from a CA; no more gain beyond that.
constexpr duration polls_apart_most = polls_apart_least * 64;

duration lifetime_of(const renewal_facts& facts) {
    return std::max<duration>(between(facts.not_before, facts.not_after), {});
}

/// In whole millionths: the longest lengths do not survive a floating-point number.
duration share(duration length, double draw) {
    constexpr int parts = 1'000'000;
    return length / parts * static_cast<int>(std::clamp(draw, 0.0, 1.0) * parts);
}

/// The wait is what the CA ordered, and up to a tenth.
bool is_ordered(const planned_act& plan, const failed_attempt& failed) {
    const auto ordered = between(failed.at, failed.ordered_until);
    return ordered > duration{} && plan.at <= plus(failed.ordered_until, ordered / 10);
}

/// One that is not stale, and begins before it ends.
bool has_window(const renewal_facts& facts) {
    return facts.window && facts.window->end >= facts.window->start && facts.window->end > facts.obtained;
}

/// RFC 9773, section 4.2: a random time within the window.
std::optional<wall_time> suggested_time(const renewal_facts& facts) {
    if (!has_window(facts))
        return {};
    const auto first = plus(facts.not_before, -window_reach);
    const auto last = std::max(plus(facts.not_after, window_reach), first);
    const auto start = std::clamp(facts.window->start, first, last);
    const auto end = std::clamp(facts.window->end, first, last);
    return plus(start, share(between(start, end), facts.draw));
}

/// As if nothing had been tried.
planned_act plan_renewal(const renewal_facts& facts) {
    planned_act plan{next_act::renew, renewal_time(facts.not_before, facts.not_after, facts.draw), why::lifetime};
    if (const auto suggested = suggested_time(facts)) {
        const auto emergency = last_twentieth(facts.not_before, facts.not_after);
        plan.at = std::min(*suggested, emergency);
        plan.reason = *suggested <= emergency ? why::suggested : why::emergency;
    }
    const auto life = std::min(lifetime_of(facts), between(facts.obtained, facts.not_after));
    const auto least = std::min(rest_least, lifetime_of(facts) / attempts_left);
    const auto rest = std::clamp(life / attempts_left, least, rest_most);
    plan.at = std::max(plan.at, plus(facts.obtained, rest));
    return plan;
}

/// When the failure lets try again.
wall_time retry_time(const renewal_facts& facts, const failed_attempt& failed, const retry_options& delays) {
    auto when = failed.retry_at;
    const auto left = between(failed.at, facts.not_after);
    if (left > duration{}) {
        const duration first = delays.of(failed.kind).first;
        when = std::min(when, plus(failed.at, std::max(left / attempts_left, first)));
    }
    return std::max(when, failed.ordered_until);
}

bool is_relevant(const failed_attempt& failed, const renewal_facts& facts, wall_time now) {
    return failed.kind != failure_class::cancelled && failed.at >= facts.obtained &&
        between(now, failed.at) <= step_back_max;
}

}  // namespace

planned_act plan_next(const renewal_facts& facts, wall_time now, const retry_options& delays) {
    const auto forgotten_at = plus(facts.not_after, std::max<duration>(facts.expired_kept, {}));
    if (now >= forgotten_at || !facts.renewable)
        return {next_act::forget, forgotten_at, facts.renewable ? why::expired : why::unwanted};

    auto plan = plan_renewal(facts);
    const auto polled_until = plan.at;
    if (facts.failed && is_relevant(*facts.failed, facts, now)) {
        const auto retry_at = retry_time(facts, *facts.failed, delays);
        if (retry_at > plan.at)
            plan = {next_act::renew, retry_at, why::retry};
    }
    if (facts.poll_at && *facts.poll_at < polled_until && now < polled_until)
        plan = {next_act::poll_renewal_info, *facts.poll_at, why::poll};
    else if (now >= facts.not_after && plan.reason != why::retry)
        plan.reason = why::expired;
    if (plan.at >= forgotten_at)
        plan = {next_act::forget, forgotten_at, why::expired};
    return plan;
}

wall_time poll_moment(wall_time now, duration wait, double phase) {
    const auto earliest = plus(now, wait);
    duration apart = polls_apart_least;
    if (wait / poll_delay_share < apart)
        return earliest;
    while (apart < polls_apart_most && 2 * apart <= wait / poll_delay_share)
        apart *= 2;
    // The rarer moments are some of the more frequent ones.
    const auto into = (earliest.time_since_epoch() - share(polls_apart_most, phase)) % apart;
    return into == duration{} ? earliest : plus(earliest, into < duration{} ? -into : apart - into);
}

std::string explain(const planned_act& plan, const renewal_facts& facts) {
    switch (plan.reason) {
    case why::lifetime:
        return lifetime_of(facts) <= short_lived ? "half of its lifetime is left" : "a third of its lifetime is left";
    case why::suggested:
        return facts.window
            ? fmt::format("the CA suggests {} to {}", to_rfc3339(facts.window->start), to_rfc3339(facts.window->end))
            : "the CA suggests it";
    case why::emergency: return "a twentieth of its lifetime is left, and the CA suggests a later time";
    case why::retry:
        return facts.failed
            ? fmt::format(
                  "the last attempt failed ({}) at {}{}", to_string(facts.failed->kind), to_rfc3339(facts.failed->at),
                  is_ordered(plan, *facts.failed) ? ", and the CA wants none sooner" : "")
            : "the last attempt failed";
    case why::expired:
        return plan.act == next_act::forget
            ? fmt::format("it has been expired for {}", to_text(between(facts.not_after, plan.at)))
            : fmt::format("it expired at {}", to_rfc3339(facts.not_after));
    case why::poll: return "the CA is asked whether it suggests another time of renewal";
    case why::unwanted:
        return "its names are no longer admitted or it has a successor with another key, and it is not renewed";
    }
    return {};
}

wall_time renewal_time(wall_time not_before, wall_time not_after, double draw) {
    constexpr int spread_percent = 2;
    const duration lifetime = std::max<duration>(between(not_before, not_after), {});
    const duration left = lifetime <= short_lived ? lifetime / 2 : lifetime / 3;
    const auto spread =
        std::chrono::duration_cast<duration>(lifetime / 100 * spread_percent * std::clamp(draw, 0.0, 1.0));
    return plus(not_after, -left - spread);
}

wall_time deadline_of(const renewal_facts& facts) {
    return has_window(facts) ? std::min(facts.window->end, facts.not_after) : facts.not_after;
}

wall_time last_twentieth(wall_time not_before, wall_time not_after) {
    const duration lifetime = std::max<duration>(between(not_before, not_after), {});
    return plus(not_after, -(lifetime / 20));
}

}  // namespace evercert
