#pragma once

#include <evercert/ca_limits.hpp>

namespace evercert {

/// Throws `errc::invalid_options` for limits that nothing can be counted against.
void check_limits(const ca_limits&);

}  // namespace evercert
