#pragma once

#include <evercert/status.hpp>

#include "manager/context.hpp"
#include "manager/order_limits.hpp"

namespace evercert {

/// What there is to say about a record. From any thread.
certificate_status status_of(const manager_context&, const std::string& key, const certificate_record&);
/// The same about names that have none. `hold`: that would refuse a client who asks for them now.
certificate_status status_without_certificate(
    const manager_context&, const std::string& key, const std::vector<identifier>& names,
    const std::optional<order_limits::hold>&);

}  // namespace evercert
