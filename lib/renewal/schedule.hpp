#pragma once

#include <optional>
#include <string>

#include <evercert/clock.hpp>
#include <evercert/failure_class.hpp>
#include <evercert/status.hpp>

namespace evercert {

/// RFC 9773, section 4.1.
struct suggested_window {
    wall_time start = {};
    wall_time end = {};
};

/// The last attempt to renew a certificate, if it failed.
struct failed_attempt {
    failure_class kind = failure_class::server;
    wall_time at = {};
    wall_time retry_at = {};
    wall_time ordered_until = {};  ///< what the CA ordered: nobody shortens it; {} = nothing
};

/// All that decides what is next for a certificate.
struct renewal_facts {
    wall_time not_before = {};
    wall_time not_after = {};
    wall_time obtained = {};
    double draw = 0;  ///< in [0, 1): the certificate's own, drawn once
    std::optional<suggested_window> window = {};
    std::optional<wall_time> poll_at = {};  ///< when to ask for renewal information; none if the CA has none
    std::optional<failed_attempt> failed = {};
    bool renewable = true;       ///< its names are still admitted
    duration expired_kept = {};  ///< how long it is kept after its end
};

enum class why {
    lifetime,   ///< as much of its lifetime is left as it should be
    suggested,  ///< the CA's window
    emergency,  ///< the CA's window comes too late
    retry,      ///< the last attempt failed
    expired,
    poll,
    unwanted,  ///< its names are no longer admitted, or it has a successor
};

struct planned_act {
    next_act act = next_act::none;
    wall_time at = {};  ///< in the past: it is due
    why reason = why::lifetime;
};

/// What to do next and when, by these rules:
///
/// - Renew when a third of the lifetime is left, half for lifetimes of 10 days or less, spread by `draw` over the 2 % of the
///   lifetime before that. If the CA suggests a window, at a point in it (RFC 9773, section 4.2) instead, but not later than at
///   a twentieth of the lifetime left.
/// - A window that ended before the certificate was obtained is stale, one that ends before it starts is none.
/// - Nothing is renewed sooner than an eighth of its life after it was obtained, or 6 hours if that is less: a CA may date
///   back, or suggest the past again and again.
/// - After a failure, not before `retry_at`; but that is brought forward so that eight more attempts fit into what is left. Not
///   before `ordered_until`. What has expired is tried by `retry_at`.
/// - Ask for renewal information if that is due before the renewal, and not once the renewal is.
/// - Forget what has been expired for `expired_kept`; what is not renewable waits for that.
planned_act plan_next(const renewal_facts&, wall_time now, const retry_options&);

/// When to ask for renewal information again, which the CA wants `wait` from now or later (RFC 9773, section 4.3.2): at a
/// moment that others are polled at too, since one connection carries all of them. Such moments are a power of two of minutes
/// apart and cost at most an eighth of the wait; a shorter one than 8 minutes costs nothing. `phase` in [0, 1) belongs to the
/// manager, so that not all of them ask a CA at the same moments.
wall_time poll_moment(wall_time now, duration wait, double phase);

/// Why then, for people: "a third of its lifetime is left".
std::string explain(const planned_act&, const renewal_facts&);

/// When to renew: when a third of the lifetime is left, or half of it for lifetimes of 10 days or less, which
/// leaves more attempts where each costs more of the time (90 days → day 60, 6 days → day 3). `draw` in [0, 1)
/// belongs to the certificate, is drawn once and spreads renewals over the 2 % of the lifetime before that
/// moment.
wall_time renewal_time(wall_time not_before, wall_time not_after, double draw);

/// Until when a renewal is in time: the end of the CA's window, unless that is stale, or the certificate's own if it comes
/// first.
wall_time deadline_of(const renewal_facts&);

/// When the last twentieth of a lifetime begins.
wall_time last_twentieth(wall_time not_before, wall_time not_after);

}  // namespace evercert
