#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <evercert/clock.hpp>

namespace simulation {

using evercert::duration;
using evercert::wall_time;

/// From `begin` to `end`, without it.
struct span {
    wall_time begin;
    wall_time end;
};

/// In order, without overlaps.
std::vector<span> merged(std::vector<span>);
/// How much of `whole` none of `parts` (merged) covers.
duration uncovered(const span& whole, const std::vector<span>& parts);

/// When names had no valid certificate, and when there was an excuse. All times are true times.
///
/// A second is unexcused when the name's certificate had expired although nothing had been wrong for as long as recovery
/// may take. What is wrong is said by `trouble_begins` and `trouble_ends`; several at once count as one, which recovers when the
/// last of them has.
class accounting {
public:
    /// `start`: how long the first certificates may take.
    accounting(wall_time begin, duration start) : begin_{begin}, start_{start}, calm_since_{begin}, last_end_{begin} {}

    void add_name(const std::string& name) { until_.emplace(name, begin_); }
    /// One that comes later, and counts from its first certificate on. Does nothing for a name that there is.
    void add_name(const std::string& name, wall_time now) { until_.emplace(name, now); }
    /// From now on the name is served with a certificate that ends then.
    void published(const std::string& name, wall_time now, wall_time not_after);
    void trouble_begins(wall_time now);
    /// `recovery`: what the bounds of the manager and of the CA add up to after a trouble of this kind.
    void trouble_ends(wall_time now, duration recovery);
    /// Nothing has been wrong for so long; negative in a trouble.
    duration calm_for(wall_time now) const;

    struct result {
        duration expired{};  ///< over all names
        duration unexcused{};
        std::string worst;               ///< the name with most of that
        std::optional<wall_time> first;  ///< when it began
        double excused_share = 0;        ///< of the whole time: near 1 the claim says little
    };
    result at(wall_time now) const;

private:
    wall_time begin_;
    duration start_;
    std::map<std::string, wall_time> until_;
    std::map<std::string, std::vector<span>> expired_;
    std::vector<span> excused_;
    int troubles_ = 0;
    wall_time calm_since_;  ///< or, in a trouble, when it began
    wall_time last_end_;
};

}  // namespace simulation
