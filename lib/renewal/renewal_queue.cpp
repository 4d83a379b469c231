#include "renewal/renewal_queue.hpp"

namespace evercert {

void renewal_queue::put(std::size_t place, item one) {
    heap_[place] = one;
    one.key->second = place;
}

void renewal_queue::rise(std::size_t place) {
    const item moving = heap_[place];
    while (place > 0) {
        const auto parent = (place - 1) / 2;
        if (heap_[parent].when <= moving.when)
            break;
        put(place, heap_[parent]);
        place = parent;
    }
    put(place, moving);
}

void renewal_queue::sink(std::size_t place) {
    const item moving = heap_[place];
    for (;;) {
        auto child = 2 * place + 1;
        if (child >= heap_.size())
            break;
        if (child + 1 < heap_.size() && heap_[child + 1].when < heap_[child].when)
            ++child;
        if (heap_[child].when >= moving.when)
            break;
        put(place, heap_[child]);
        place = child;
    }
    put(place, moving);
}

void renewal_queue::plan(const std::string& key, wall_time when) {
    const auto [at, is_new] = places_.try_emplace(key, heap_.size());
    if (is_new)
        heap_.push_back({when, &*at});
    heap_[at->second].when = when;
    rise(at->second);
    sink(at->second);
}

void renewal_queue::forget(const std::string& key) {
    const auto at = places_.find(key);
    if (at == places_.end())
        return;
    const auto place = at->second;
    const item last = heap_.back();
    heap_.pop_back();
    if (place < heap_.size()) {
        put(place, last);
        rise(place);
        sink(last.key->second);
    }
    places_.erase(at);
}

void renewal_queue::clear() {
    heap_.clear();
    places_.clear();
}

std::optional<renewal_queue::entry> renewal_queue::next() const {
    std::optional<entry> first;
    if (!heap_.empty())
        first = entry{heap_.front().when, heap_.front().key->first};
    return first;
}

}  // namespace evercert
