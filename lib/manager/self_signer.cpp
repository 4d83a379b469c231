#include "manager/self_signer.hpp"

#include "base/wall_time.hpp"
#include "crypto/self_signed.hpp"

namespace evercert {

certificate_ptr self_signer::get(const identifier& name, wall_time now) {
    const std::lock_guard lock{mutex_};
    if (const auto known = by_name_.find(name.value()); known != by_name_.end()) {
        const auto& one = *known->second;
        const auto half = one.not_before() + (one.not_after() - one.not_before()) / 2;
        if (now >= one.not_before() && now < half)
            return known->second;
    }
    if (!key_)
        key_ = private_key::generate(key_type::ec_p256);
    if (by_name_.size() >= names_max)
        by_name_.clear();
    return by_name_[name.value()] = make_self_signed(name, *key_, now);
}

}  // namespace evercert
