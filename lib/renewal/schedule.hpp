#pragma once

#include <evercert/clock.hpp>

namespace evercert {

/// When to renew: when a third of the lifetime is left, or half of it for lifetimes of 10 days or less, which
/// leaves more attempts where each costs more of the time (90 days → day 60, 6 days → day 3). `draw` in [0, 1)
/// belongs to the certificate, is drawn once and spreads renewals over the 2 % of the lifetime before that
/// moment.
wall_time renewal_time(wall_time not_before, wall_time not_after, double draw);

/// The same for a certificate that came a moment ago: not at once, but after a quarter of what is left of it, and not before `floor`.
wall_time not_at_once(wall_time renewal, wall_time now, wall_time not_after, duration floor);

/// How long to wait after `failures` failures in a row: `first`, doubled each time up to `most`, and never longer
/// than a quarter of what is left of the certificate, so that several attempts always fit.
duration retry_delay(int failures, duration first, duration most, duration left);

}  // namespace evercert
