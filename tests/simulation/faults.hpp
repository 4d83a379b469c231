#pragma once

#include <string>

#include <evercert/clock.hpp>
#include <evercert/failure_class.hpp>

#include "options.hpp"

namespace simulation {

class site;

/// What a trouble may leave behind from which recovery takes longer than from others.
struct aftermath {
    bool refused_names = false;  ///< the CA said that it issues for no such name, which a manager remembers for a week
    bool retry_after = false;    ///< the CA said how long to stay away
    bool disk_alone = false;     ///< nobody asked the CA for anything: recovery takes less than from all else
};

/// How long recovery may take after a trouble, and what that is made of.
struct recovery {
    evercert::duration length{};
    std::string made_of;
};

aftermath worst_aftermath(fault_level) noexcept;
/// Whether a fault of this level that leaves this behind can make a manager remember a failure of this class.
bool provoked(fault_level, evercert::failure_class, aftermath) noexcept;
/// The longest that the CA says to stay away for.
evercert::duration retry_after_longest(fault_level) noexcept;

/// Draw from the site's seed what goes wrong in so much time from now, and let it happen as time passes.
void plan_faults(site&, evercert::duration length);

}  // namespace simulation
