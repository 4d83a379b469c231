#include "turns.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/wall_time.hpp"

namespace simulation {

void turns::asked(const std::string& name, wall_time now) {
    auto& times = asked_[name];
    times.push_back(now);
    while (times.front() < now - forgotten_after)
        times.pop_front();
}

void turns::restarted() {
    due_.clear();
    asked_.clear();
}

double turns::wanted_at_least(const std::string& name, wall_time now) const {
    double sum = 0;
    if (const auto it = asked_.find(name); it != asked_.end())
        for (const auto at : it->second)
            if (at <= now - seen_after)
                sum += std::ldexp(1.0, -static_cast<int>((now - at) / std::chrono::days{1}) - 1);
    return sum;
}

double turns::wanted_at_most(const std::string& name, wall_time now) const {
    const auto it = asked_.find(name);
    if (it == asked_.end())
        return 0;
    return static_cast<double>(
        std::count_if(it->second.begin(), it->second.end(), [&](wall_time at) { return at >= now - forgotten_after; }));
}

void turns::went(const std::string& name, wall_time now, const std::function<bool(const std::string&)>& under_way) {
    const auto it = due_.find(name);
    if (it == due_.end() || it->second.due > now)
        return;
    const bool in_time = it->second.window_end > now;
    due_.erase(it);
    const auto own = wanted_at_most(name, now) + rounding;
    bool waits = false;
    for (const auto& [other, since] : due_) {
        if (std::max(since.due, since.window_end) > now - chosen_before)
            continue;
        waits = true;
        if ((!in_time && wanted_at_least(other, now) <= own) || under_way(other))
            continue;
        ++out_of_turn_;
        instead_of_ = fmt::format(
            "{}, which clients wanted {:.1f} times and it {:.1f}; its window ended at {}", other,
            wanted_at_least(other, now), own, evercert::to_rfc3339(since.window_end));
        break;
    }
    checked_ += waits;
}

}  // namespace simulation
