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
    add(by_name_, cert);
}

void certificate_index::add(map& to, const certificate_ptr& cert) {
    for (const auto& name : cert->names()) {
        auto& slot = to[name.value()];
        if (!slot || slot->not_after() <= cert->not_after())
            slot = cert;
    }
}

void certificate_index::replace(const std::vector<certificate_ptr>& all) {
    map replacement;
    for (const auto& cert : all)
        add(replacement, cert);
    const std::unique_lock lock{mutex_};
    by_name_.swap(replacement);
}

std::size_t certificate_index::size() const {
    const std::shared_lock lock{mutex_};
    return by_name_.size();
}

}  // namespace evercert
