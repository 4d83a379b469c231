#pragma once

#include <evercert/certificate.hpp>
#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>
#include <evercert/key.hpp>

namespace evercert {

/// For a week from now, and a day before for clients whose clock is behind. It says by whom it is signed, and why.
certificate_ptr make_self_signed(const identifier& name, const private_key&, wall_time now);

}  // namespace evercert
