#pragma once

#include <evercert/status.hpp>

#include "manager/context.hpp"

namespace evercert {

/// What there is to say about a record, or about a listed name that has none. From any thread.
certificate_status status_of(const manager_context&, const std::string& key, const certificate_record&);
certificate_status status_without_certificate(
    const manager_context&, const std::string& key, const std::vector<identifier>& names);

}  // namespace evercert
