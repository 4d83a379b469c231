#include "renewal/renewal_queue.hpp"

#include <algorithm>

namespace evercert {

void renewal_queue::heap::put(std::size_t place, item one) {
    items_[place] = one;
    one.of->second[which_] = static_cast<std::uint32_t>(place);
}

void renewal_queue::heap::rise(std::size_t place) {
    const item moving = items_[place];
    while (place > 0) {
        const auto parent = (place - 1) / 2;
        if (items_[parent].when <= moving.when)
            break;
        put(place, items_[parent]);
        place = parent;
    }
    put(place, moving);
}

void renewal_queue::heap::sink(std::size_t place) {
    const item moving = items_[place];
    for (;;) {
        auto child = 2 * place + 1;
        if (child >= items_.size())
            break;
        if (child + 1 < items_.size() && items_[child + 1].when < items_[child].when)
            ++child;
        if (items_[child].when >= moving.when)
            break;
        put(place, items_[child]);
        place = child;
    }
    put(place, moving);
}

void renewal_queue::heap::plan(planned::value_type& of, wall_time when) {
    auto& place = of.second[which_];
    if (place == nowhere) {
        place = static_cast<std::uint32_t>(items_.size());
        items_.push_back({when, &of});
    }
    items_[place].when = when;
    rise(place);
    sink(place);
}

void renewal_queue::heap::forget(planned::value_type& of) {
    const auto place = of.second[which_];
    if (place == nowhere)
        return;
    of.second[which_] = nowhere;
    const item last = items_.back();
    items_.pop_back();
    if (place == items_.size())
        return;
    put(place, last);
    rise(place);
    sink(last.of->second[which_]);
}

std::vector<std::string> renewal_queue::heap::due(wall_time by) const {
    std::vector<std::string> keys;
    // What is not due has nothing below it that is.
    std::vector<std::size_t> places{0};
    while (!places.empty()) {
        const auto place = places.back();
        places.pop_back();
        if (place >= items_.size() || items_[place].when > by)
            continue;
        keys.push_back(items_[place].of->first);
        places.push_back(2 * place + 1);
        places.push_back(2 * place + 2);
    }
    return keys;
}

std::vector<std::string> renewal_queue::due(list which, wall_time by) const {
    return heaps_[static_cast<std::size_t>(which)].due(by);
}

void renewal_queue::plan(const std::string& key, list which, wall_time when) {
    constexpr places none{nowhere, nowhere};
    heap_of(which).plan(*planned_.try_emplace(key, none).first, when);
}

void renewal_queue::forget(const std::string& key, list which) {
    const auto at = planned_.find(key);
    if (at == planned_.end())
        return;
    heap_of(which).forget(*at);
    if (std::all_of(at->second.begin(), at->second.end(), [](auto place) { return place == nowhere; }))
        planned_.erase(at);
}

void renewal_queue::forget(const std::string& key) {
    for (const auto which : {list::acts, list::polls})
        forget(key, which);
}

void renewal_queue::clear() {
    for (auto& each : heaps_)
        each.clear();
    planned_.clear();
}

std::optional<renewal_queue::entry> renewal_queue::next(list which) const {
    std::optional<entry> next;
    if (const auto* first = heaps_[static_cast<std::size_t>(which)].first())
        next = entry{first->when, first->of->first};
    return next;
}

}  // namespace evercert
