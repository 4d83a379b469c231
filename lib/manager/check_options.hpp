#pragma once

#include <evercert/manager_options.hpp>

namespace evercert {

/// Throws `errc::invalid_options` for what is out of range or contradicts itself, and names it. The options of its parts
/// (`server`, `http`, `acme_limits`) are checked where those are made.
void check_options(const manager_options&);

}  // namespace evercert
