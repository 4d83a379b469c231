#include "manager/failure_memory.hpp"

namespace evercert {

std::exception_ptr failure_memory::find(const std::string& key, steady_time now) {
    drop_old(now);
    const auto at = by_key_.find(key);
    return at == by_key_.end() || at->second.until <= now ? nullptr : at->second.what;
}

void failure_memory::remember(const std::string& key, std::exception_ptr what, steady_time now, duration at_least) {
    drop_old(now);
    const auto before = by_key_.find(key);
    const int failures = before == by_key_.end() ? 1 : before->second.failures + 1;
    duration length = first_;
    for (int i = 1; i < failures && length < most_; ++i)
        length *= 2;
    const auto until = now + std::max(std::min(length, most_), at_least);
    forget(key);
    if (entries_max_ == 0)
        return;
    if (by_key_.size() >= entries_max_)
        forget(std::string{by_end_.begin()->second});
    by_key_[key] = entry{std::move(what), until, failures, by_end_.emplace(until + most_, key)};
}

void failure_memory::drop_old(steady_time now) {
    while (!by_end_.empty() && by_end_.begin()->first <= now)
        forget(std::string{by_end_.begin()->second});
}

void failure_memory::clear() {
    by_key_.clear();
    by_end_.clear();
}

void failure_memory::forget(const std::string& key) {
    const auto at = by_key_.find(key);
    if (at == by_key_.end())
        return;
    by_end_.erase(at->second.end);
    by_key_.erase(at);
}

}  // namespace evercert
