#include "lookup/certificate_index.hpp"

#include <mutex>

namespace evercert {

certificate_ptr certificate_index::find(const identifier& name) const {
    const std::shared_lock lock{mutex_};
    if (const auto exact = by_name_.find(name.value()); exact != by_name_.end())
        return exact->second;
    if (const auto wildcard = name.wildcard())
        if (const auto covering = by_name_.find(wildcard->value()); covering != by_name_.end())
            return covering->second;
    return nullptr;
}

void certificate_index::publish(const certificate_ptr& cert) {
    const std::unique_lock lock{mutex_};
    for (const auto& name : cert->names()) {
        auto& slot = by_name_[name.value()];
        if (!slot || slot->not_after() <= cert->not_after())
            slot = cert;
    }
}

void certificate_index::clear() {
    const std::unique_lock lock{mutex_};
    by_name_.clear();
}

std::size_t certificate_index::size() const {
    const std::shared_lock lock{mutex_};
    return by_name_.size();
}

}  // namespace evercert
