#pragma once

#include <evercert/clock.hpp>
#include <evercert/failure_class.hpp>

#include "options.hpp"

namespace simulation {

class site;

/// Whether a fault of this level can make a manager remember a failure of this class.
bool provoked(fault_level, evercert::failure_class) noexcept;
/// The longest that the CA says to stay away for.
evercert::duration retry_after_longest(fault_level) noexcept;

/// Draw from the site's seed what goes wrong in so much time from now, and let it happen as time passes.
void plan_faults(site&, evercert::duration length);

}  // namespace simulation
