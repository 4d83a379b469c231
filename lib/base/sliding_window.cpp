#include "base/sliding_window.hpp"

#include <algorithm>

namespace evercert {

sliding_window::sliding_window(int count, duration window)
    : count_{static_cast<std::size_t>(std::max(count, 0))}, window_{window} {}

duration sliding_window::delay(steady_time now, std::size_t ahead) const {
    if (!is_limited())
        return {};
    // The n-th from now waits for the n-th of the places that acts leave; all places turn over once a window.
    const auto turn = ahead % count_;
    const auto turns = static_cast<long>(ahead / count_);
    const auto free = count_ - acts_.size();
    const auto first = turn < free ? now : std::max(now, acts_[turn - free] + window_);
    return first - now + turns * window_;
}

void sliding_window::take(steady_time now) {
    if (!is_limited())
        return;
    if (acts_.size() == count_)
        acts_.pop_front();
    acts_.push_back(now);
}

std::vector<duration> sliding_window::taken(steady_time now) const {
    std::vector<duration> ago;
    for (const auto act : acts_)
        if (now - act < window_)
            ago.push_back(std::max<duration>(now - act, {}));
    return ago;
}

void sliding_window::restore(std::vector<duration> ago, steady_time now) {
    acts_.clear();
    if (!is_limited())
        return;
    std::sort(ago.begin(), ago.end(), std::greater<>{});
    for (const auto age : ago)
        if (age < window_)
            take(now - std::max<duration>(age, {}));
}

}  // namespace evercert
