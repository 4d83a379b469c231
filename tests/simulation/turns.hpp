#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include <evercert/clock.hpp>

namespace simulation {

/// Whether renewals that are due at once go in turn, seen from the CA: those whose window is over before the others, and among
/// them what clients want most. Says nothing of what failed: that waits for its next attempt.
///
/// A manager may be wrong about the last moments: what is due it sees at once, what clients want when it looks again. And
/// it counts by days, half of what was before; so one is only out of turn after another that is wanted much more.
class turns {
public:
    using duration = evercert::duration;
    using wall_time = evercert::wall_time;

    /// From `at` on; its window ends at `window_end`.
    void due(const std::string& name, wall_time at, wall_time window_end) { due_[name] = {at, window_end}; }
    /// Not any more, or it failed.
    void left(const std::string& name) { due_.erase(name); }
    void asked(const std::string& name, wall_time now) { asked_.emplace_back(now, name); }
    /// The manager forgot everything of that.
    void restarted();
    /// It was replaced. `under_way`: those that the manager had chosen before.
    void went(const std::string& name, wall_time now, const std::function<bool(const std::string&)>& under_way);

    std::uint64_t checked() const { return checked_; }  ///< how often somebody else waited meanwhile
    std::uint64_t out_of_turn() const { return out_of_turn_; }

    /// An order takes that long if nothing is wrong, and one waits within the manager's limiters.
    static constexpr duration chosen_before = std::chrono::minutes{5};
    /// Until a manager sees what clients want by now: it looks every hour.
    static constexpr duration seen_after = std::chrono::minutes{65};
    /// Wanted much more: so often as much, and so often at least.
    static constexpr std::uint64_t much_more = 4, at_least = 8;

private:
    struct times {
        wall_time due, window_end;
    };
    std::map<std::string, times> due_;
    std::map<std::string, std::uint64_t> wanted_;
    std::deque<std::pair<wall_time, std::string>> asked_;  ///< not seen yet
    std::uint64_t checked_ = 0, out_of_turn_ = 0;
};

}  // namespace simulation
