#include "manager/failure_memory.hpp"

namespace evercert {

std::exception_ptr failure_memory::find(const std::string& key, steady_time now) {
    while (!by_end_.empty() && by_end_.begin()->first <= now)
        forget(std::string{by_end_.begin()->second});
    const auto at = by_key_.find(key);
    return at == by_key_.end() ? nullptr : at->second.what;
}

void failure_memory::remember(const std::string& key, std::exception_ptr what, steady_time until) {
    forget(key);
    if (entries_max_ == 0)
        return;
    if (by_key_.size() >= entries_max_)
        forget(std::string{by_end_.begin()->second});
    by_key_[key] = entry{std::move(what), by_end_.emplace(until, key)};
}

void failure_memory::forget(const std::string& key) {
    const auto at = by_key_.find(key);
    if (at == by_key_.end())
        return;
    by_end_.erase(at->second.end);
    by_key_.erase(at);
}

}  // namespace evercert
