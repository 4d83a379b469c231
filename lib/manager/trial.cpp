#include "manager/trial.hpp"

#include <algorithm>

namespace evercert {

void trials::begin(std::string key, const certificate_ptr& fresh, certificate_record before) {
    const std::lock_guard lock{mutex_};
    erase_key(key);
    if (rejections_max_ <= 0)
        return;
    if (entries_.size() >= trials_max)
        drop_oldest();
    entries_.insert_or_assign(fresh->serial(), entry{{std::move(key), std::move(before)}, fresh->issuer(), ++begun_});
    size_ = entries_.size();
}

trials::verdict trials::ended(const certificate_ptr& used, handshake_result result) noexcept {
    if (empty() || !used || result == handshake_result::failed)
        return verdict::none;
    const std::lock_guard lock{mutex_};
    const auto at = find(*used);
    if (at == entries_.end() || at->second.decided)
        return verdict::none;
    if (result == handshake_result::established) {
        erase(at);
        return verdict::passed;
    }
    at->second.decided = ++at->second.rejections >= rejections_max_;
    return at->second.decided ? verdict::roll_back : verdict::none;
}

std::optional<trial> trials::take(const certificate_ptr& fresh) {
    std::optional<trial> taken;
    const std::lock_guard lock{mutex_};
    if (const auto at = find(*fresh); at != entries_.end()) {
        taken = std::move(at->second.what);
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
    entries_.clear();
    size_ = 0;
}

trials::entries::iterator trials::find(const certificate& used) {
    const auto at = entries_.find(used.serial());
    return at != entries_.end() && at->second.issuer == used.issuer() ? at : entries_.end();
}

void trials::erase_key(std::string_view key) {
    const auto at =
        std::find_if(entries_.begin(), entries_.end(), [key](const auto& held) { return held.second.what.key == key; });
    if (at != entries_.end())
        erase(at);
}

void trials::erase(entries::iterator at) {
    entries_.erase(at);
    size_ = entries_.size();
}

void trials::drop_oldest() {
    const auto oldest = std::min_element(
        entries_.begin(), entries_.end(), [](const auto& a, const auto& b) { return a.second.begun < b.second.begun; });
    erase(oldest);
}

}  // namespace evercert
