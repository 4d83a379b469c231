#include "renewal/renewal_queue.hpp"

namespace evercert {

void renewal_queue::plan(const std::string& key, wall_time when) {
    forget(key);
    by_key_.emplace(key, by_time_.emplace(when, key));
}

void renewal_queue::forget(const std::string& key) {
    const auto at = by_key_.find(key);
    if (at == by_key_.end())
        return;
    by_time_.erase(at->second);
    by_key_.erase(at);
}

void renewal_queue::clear() {
    by_key_.clear();
    by_time_.clear();
}

std::optional<renewal_queue::entry> renewal_queue::next() const {
    std::optional<entry> first;
    if (!by_time_.empty())
        first = entry{by_time_.begin()->first, by_time_.begin()->second};
    return first;
}

}  // namespace evercert
