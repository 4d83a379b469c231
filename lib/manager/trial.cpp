#include "manager/trial.hpp"

#include <iterator>

namespace evercert {

void trials::begin(std::string key, const certificate_ptr& fresh, certificate_record before) {
    const std::lock_guard lock{mutex_};
    erase_key(key);
    if (rejections_max_ <= 0)
        return;
    // Of two CAs' certificates with the same serial number the later one is on trial.
    if (const auto same = by_serial_.find(fresh->serial()); same != by_serial_.end())
        erase(same->second);
    if (entries_.size() >= trials_max)
        erase(entries_.begin());
    entries_.push_back({{std::move(key), std::move(before)}, fresh->serial(), fresh->issuer()});
    const auto made = std::prev(entries_.end());
    by_serial_.emplace(made->serial, made);
    by_key_.emplace(made->what.key, made);
    size_ = entries_.size();
}

trials::verdict trials::ended(const certificate_ptr& used, handshake_result result) noexcept {
    if (empty() || !used || result == handshake_result::failed)
        return verdict::none;
    const std::lock_guard lock{mutex_};
    const auto at = find(*used);
    if (at == entries_.end() || at->decided)
        return verdict::none;
    if (result == handshake_result::established) {
        erase(at);
        return verdict::passed;
    }
    at->decided = ++at->rejections >= rejections_max_;
    return at->decided ? verdict::roll_back : verdict::none;
}

std::optional<trial> trials::take(const certificate_ptr& fresh) {
    std::optional<trial> taken;
    const std::lock_guard lock{mutex_};
    if (const auto at = find(*fresh); at != entries_.end()) {
        taken = at->what;
        erase(at);
    }
    return taken;
}

void trials::forget(std::string_view key) {
    const std::lock_guard lock{mutex_};
    erase_key(key);
}

void trials::clear() {
    const std::lock_guard lock{mutex_};
    by_serial_.clear();
    by_key_.clear();
    entries_.clear();
    size_ = 0;
}

trials::entries::iterator trials::find(const certificate& used) {
    const auto at = by_serial_.find(used.serial());
    return at != by_serial_.end() && at->second->issuer == used.issuer() ? at->second : entries_.end();
}

void trials::erase_key(std::string_view key) {
    if (const auto at = by_key_.find(key); at != by_key_.end())
        erase(at->second);
}

void trials::erase(entries::iterator at) {
    by_serial_.erase(at->serial);
    by_key_.erase(at->what.key);
    entries_.erase(at);
    size_ = entries_.size();
}

}  // namespace evercert
