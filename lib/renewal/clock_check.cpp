#include "renewal/clock_check.hpp"

#include <fmt/format.h>

#include "base/wall_time.hpp"

namespace evercert {
namespace {

using verdict = clock_opinion::verdict;

std::string shows(wall_time now) { return "the wall clock shows " + to_rfc3339(now); }

/// How much the wall clock moved on more than steady time did.
duration step_between(const clock_look& before, const clock_look& now) {
    return between(plus(before.wall, now.steady - before.steady), now.wall);
}

clock_opinion judge_by_answer(const clock_evidence::answer& answer, const clock_look& now, duration tolerance) {
    const auto elapsed = now.steady - answer.received.steady;
    const auto least = plus(answer.date, elapsed);
    const auto at_answer = between(answer.date, answer.received.wall);
    const auto step = step_between(answer.received, now);
    const auto said = [&] {
        return fmt::format("the CA's answer of {} ago said {}", to_text(elapsed), to_rfc3339(answer.date));
    };
    if (plus(now.wall, tolerance) < least)
        return {
            verdict::doubted,
            fmt::format("{}, {} behind: {}", shows(now.wall), to_text(between(now.wall, least)), said())};
    if (between(least, now.wall) <= tolerance)
        return {};
    if (at_answer > tolerance && step <= tolerance)
        return {
            verdict::doubted,
            fmt::format("{}, {} ahead: {}", shows(now.wall), to_text(between(least, now.wall)), said())};
    return {
        verdict::ask_again,
        fmt::format(
            "{}, and moved on {} more than the machine was awake since the CA's last answer: it was suspended or the "
            "clock "
            "stepped",
            shows(now.wall), to_text(step))};
}

}  // namespace

clock_opinion judge_clock(const clock_evidence& evidence, const clock_look& now, duration tolerance) {
    if (evidence.ca)
        return judge_by_answer(*evidence.ca, now, tolerance);
    const auto late = plus(now.wall, tolerance);
    if (evidence.last_write && late < *evidence.last_write)
        return {
            verdict::doubted,
            fmt::format("{}, but the state was saved at {}", shows(now.wall), to_rfc3339(*evidence.last_write))};
    if (evidence.newest_not_before && late < *evidence.newest_not_before)
        return {
            verdict::doubted,
            fmt::format(
                "{}, but a certificate that is here was issued after {}", shows(now.wall),
                to_rfc3339(*evidence.newest_not_before))};
    if (evidence.last_write && between(*evidence.last_write, now.wall) > silence_max)
        return {
            verdict::ask_again,
            fmt::format(
                "{}, {} after the state was saved", shows(now.wall), to_text(between(*evidence.last_write, now.wall)))};
    return {};
}

wall_time counted_time(
    const std::optional<clock_look>& believed, wall_time last_write, const clock_look& now, duration tolerance) {
    if (believed)
        return stepped(*believed, now, tolerance) ? plus(believed->wall, now.steady - believed->steady) : now.wall;
    const auto since = between(last_write, now.wall);
    const bool contradicts = since < -tolerance || since > silence_max;
    return last_write != wall_time{} && contradicts ? last_write : now.wall;
}

std::optional<duration> stepped(const clock_look& before, const clock_look& now, duration tolerance) {
    const auto step = step_between(before, now);
    std::optional<duration> result;
    if (step > tolerance || step < -tolerance)
        result = step;
    return result;
}

}  // namespace evercert
