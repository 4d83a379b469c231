#include "renewal/replacement_plan.hpp"

#include <algorithm>

#include "base/wall_time.hpp"

namespace evercert {
namespace {

/// Longer than any plan, and far from where sums overflow.
constexpr duration wait_most = std::chrono::days{366 * 10};

const order_pace* slowest(const replacement_paces& paces, std::size_t all, std::size_t counted) {
    const order_pace* found = nullptr;
    duration longest{};
    const auto look = [&](const order_pace& pace, std::size_t nth) {
        if (!found || pace.wait(nth) > longest) {
            found = &pace;
            longest = pace.wait(nth);
        }
    };
    for (const auto& pace : paces.ours)
        look(pace, all);
    if (paces.the_cas)
        look(*paces.the_cas, counted);
    return found;
}

duration wait_of(const replacement_paces& paces, std::size_t nth, std::size_t nth_counted, bool counted) {
    duration longest{};
    for (const auto& pace : paces.ours)
        longest = std::max(longest, pace.wait(nth));
    if (counted && paces.the_cas)
        longest = std::max(longest, paces.the_cas->wait(nth_counted));
    return longest;
}

}  // namespace

duration order_pace::wait(std::size_t nth) const {
    if (nth == 0)
        return {};
    constexpr std::size_t others_most = 1'000'000'000;
    const auto others = static_cast<long>(std::min(nth - 1, others_most));
    if (interval > duration{} && others > (wait_most - first) / interval)
        return wait_most;
    return std::clamp(first + others * interval, duration{}, wait_most);
}

replacement_estimate plan_replacement(const replacement_queue& queue, const replacement_paces& paces, wall_time now) {
    using pressure = replacement_rank::pressure;
    replacement_estimate plan;
    duration last{};
    std::size_t nth = 0, counted = 0;
    queue.each([&](const std::string&, const replacement_rank& rank) {
        ++nth;
        counted += rank.counted;
        const auto wait = wait_of(paces, nth, counted, rank.counted);
        last = std::max(last, wait);
        const bool has_passed = rank.group == pressure::overdue || rank.deadline == wall_time{};
        plan.late += has_passed || rank.deadline < plus(now, wait);
        if (!has_passed && (!plan.first || rank.deadline < *plan.first))
            plan.first = rank.deadline;
        return true;
    });
    plan.done_at = plus(now, last);
    if (const auto* binding = slowest(paces, queue.size(), queue.counted())) {
        plan.limit = binding->name;
        plan.interval = binding->interval;
    }
    return plan;
}

}  // namespace evercert
