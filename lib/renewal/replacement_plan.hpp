#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <evercert/clock.hpp>

#include "renewal/replacement_queue.hpp"

namespace evercert {

/// What lets orders through one by one: the first at `first` from now, each other one an `interval` later. A burst that is
/// left puts `first` in the past.
struct order_pace {
    std::string name;
    duration first = {};
    duration interval = {};

    /// How long the nth waits, from 1 on; the 0th, who is nobody, does not.
    duration wait(std::size_t nth) const;
};

/// How fast what is due can go.
struct replacement_paces {
    std::vector<order_pace> ours;       ///< for all
    std::optional<order_pace> the_cas;  ///< for those that count
};

struct replacement_estimate {
    std::string limit;  ///< the one that the last waits for longest
    duration interval = {};
    wall_time done_at = {};  ///< when the last may be ordered
    std::size_t late = 0;    ///< so many are replaced after their deadline, those that are late already included
    std::optional<wall_time> first;  ///< the earliest deadline that has not passed
};

/// When the last of what waits now has gone, if nothing else comes. O(n).
replacement_estimate plan_replacement(const replacement_queue&, const replacement_paces&, wall_time now);

}  // namespace evercert
