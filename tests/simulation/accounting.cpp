#include "accounting.hpp"

#include <algorithm>

namespace simulation {

std::vector<span> merged(std::vector<span> parts) {
    std::sort(parts.begin(), parts.end(), [](const span& a, const span& b) { return a.begin < b.begin; });
    std::vector<span> result;
    for (const auto& each : parts) {
        if (!result.empty() && each.begin <= result.back().end)
            result.back().end = std::max(result.back().end, each.end);
        else
            result.push_back(each);
    }
    return result;
}

duration uncovered(const span& whole, const std::vector<span>& parts) {
    if (whole.end <= whole.begin)
        return {};
    duration length = whole.end - whole.begin;
    auto each = std::lower_bound(
        parts.begin(), parts.end(), whole.begin, [](const span& part, wall_time at) { return part.end <= at; });
    for (; each != parts.end() && each->begin < whole.end; ++each)
        length -= std::min(each->end, whole.end) - std::max(each->begin, whole.begin);
    return length;
}

void accounting::published(const std::string& name, wall_time now, wall_time not_after) {
    auto& until = until_.at(name);
    if (until < now)
        expired_[name].push_back({until, now});
    until = std::max(not_after, now);
}

void accounting::trouble_begins(wall_time now) {
    if (troubles_++ == 0)
        calm_since_ = now;
}

void accounting::trouble_ends(wall_time now, duration recovery) {
    last_end_ = now;
    --troubles_;
    excused_.push_back({calm_since_, now + recovery});
}

duration accounting::calm_for(wall_time now) const { return troubles_ > 0 ? duration{-1} : now - last_end_; }

accounting::result accounting::at(wall_time now) const {
    auto excused = excused_;
    excused.push_back({begin_, begin_ + start_});
    if (troubles_ > 0)
        excused.push_back({calm_since_, now});
    excused = merged(std::move(excused));
    result all;
    const span whole{begin_, now};
    if (now > begin_)
        all.excused_share =
            1 - static_cast<double>(uncovered(whole, excused).count()) / static_cast<double>((now - begin_).count());
    duration most{};
    for (const auto& [name, until] : until_) {
        std::vector<span> spans;
        if (const auto found = expired_.find(name); found != expired_.end())
            spans = found->second;
        if (until < now)
            spans.push_back({until, now});
        duration own{};
        for (const auto& each : spans) {
            all.expired += each.end - each.begin;
            const auto bad = uncovered(each, excused);
            if (bad > duration{} && (!all.first || each.begin < *all.first))
                all.first = each.begin;
            own += bad;
        }
        all.unexcused += own;
        if (own > most) {
            most = own;
            all.worst = name;
        }
    }
    return all;
}

}  // namespace simulation
