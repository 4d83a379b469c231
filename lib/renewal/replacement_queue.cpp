#include "renewal/replacement_queue.hpp"

#include <tuple>

#include "base/wall_time.hpp"

namespace evercert {

bool replacement_rank::goes_before(const replacement_rank& other) const {
    return std::tuple{group, deadline, other.asked} < std::tuple{other.group, other.deadline, asked};
}

replacement_rank rank_of(const renewal_facts& facts, std::uint64_t asked, wall_time now) {
    using pressure = replacement_rank::pressure;
    replacement_rank rank;
    rank.asked = asked;
    const bool expired = now >= facts.not_after;
    if (expired ? asked > 0 : now >= last_twentieth(facts.not_before, facts.not_after)) {
        rank.group = pressure::ending;
        rank.deadline = expired ? wall_time{} : facts.not_after;
        return rank;
    }
    const auto deadline = deadline_of(facts);
    rank.group = deadline <= now ? pressure::overdue : pressure::in_time;
    if (rank.group == pressure::in_time)
        rank.deadline = deadline;
    return rank;
}

std::optional<wall_time> rank_changes_at(const renewal_facts& facts, wall_time now) {
    std::optional<wall_time> first;
    for (const auto at : {deadline_of(facts), last_twentieth(facts.not_before, facts.not_after), facts.not_after})
        if (at > now && (!first || at < *first))
            first = at;
    return first;
}

bool replacement_queue::goes_first::operator()(const ranks::value_type* a, const ranks::value_type* b) const {
    if (a->second.goes_before(b->second))
        return true;
    return !b->second.goes_before(a->second) && a->first < b->first;
}

void replacement_queue::put(const std::string& key, const replacement_rank& rank) {
    const auto [at, is_new] = ranks_.try_emplace(key, rank);
    if (!is_new) {
        lines_[at->second.counted].erase(&*at);
        at->second = rank;
    }
    lines_[rank.counted].insert(&*at);
}

void replacement_queue::forget(const std::string& key) {
    const auto at = ranks_.find(key);
    if (at == ranks_.end())
        return;
    lines_[at->second.counted].erase(&*at);
    ranks_.erase(at);
}

void replacement_queue::clear() {
    for (auto& each : lines_)
        each.clear();
    ranks_.clear();
}

std::optional<std::string> replacement_queue::next(of which) const {
    const line *free = &lines_[0], *counted = &lines_[1];
    const ranks::value_type* first = free->empty() ? nullptr : *free->begin();
    if (which == of::all && !counted->empty() && (!first || goes_first{}(*counted->begin(), first)))
        first = *counted->begin();
    return first ? std::optional{first->first} : std::nullopt;
}

}  // namespace evercert
