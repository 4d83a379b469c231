#include "store/lease_table.hpp"

namespace evercert {

lease lease_table::try_lock(const std::string& key, std::chrono::seconds length, wall_time now) {
    auto& slot = slots_[key];
    if (slot.held && slot.expires > now)
        return {};
    slot.held = true;
    slot.expires = now + length;
    return {key, ++slot.token, slot.expires};
}

bool lease_table::unlock(const lease& given) {
    const auto at = slots_.find(given.key);
    if (at == slots_.end() || !at->second.held || at->second.token != given.token)
        return false;
    at->second.held = false;
    return true;
}

bool lease_table::is_newest(const lease& given) const {
    const auto at = slots_.find(given.key);
    return at != slots_.end() && at->second.token == given.token;
}

}  // namespace evercert
