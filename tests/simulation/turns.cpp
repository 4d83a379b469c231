#include "turns.hpp"

#include <algorithm>

namespace simulation {

void turns::restarted() {
    due_.clear();
    wanted_.clear();
    asked_.clear();
}

void turns::went(const std::string& name, wall_time now, const std::function<bool(const std::string&)>& under_way) {
    for (; !asked_.empty() && asked_.front().first <= now - seen_after; asked_.pop_front())
        ++wanted_[asked_.front().second];
    const auto it = due_.find(name);
    if (it == due_.end() || it->second.due > now)
        return;
    const bool in_time = it->second.window_end > now;
    due_.erase(it);
    // What it may have been asked for since counts in its favour.
    auto own = wanted_[name];
    for (const auto& [when, who] : asked_)
        own += who == name;
    bool waits = false;
    for (const auto& [other, since] : due_) {
        if (std::max(since.due, since.window_end) > now - chosen_before)
            continue;
        waits = true;
        if ((!in_time && wanted_[other] < much_more * own + at_least) || under_way(other))
            continue;
        ++out_of_turn_;
        break;
    }
    checked_ += waits;
}

}  // namespace simulation
