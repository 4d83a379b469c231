#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include <evercert/clock.hpp>

namespace simulation {

/// Whether renewals that are due at once go in turn, seen from the CA: those whose window is over before the others, and among
/// them what clients want most. Says nothing of what failed: that waits for its next attempt.
///
/// A manager may be wrong about the last moments: what is due it sees at once, what clients want when it looks again. And it
/// has what they wanted before count half each day, at an hour of its own: so what another one that waits was wanted for
/// counts as little as it can, and what the one that went was wanted for in full.
class turns {
public:
    using duration = evercert::duration;
    using wall_time = evercert::wall_time;

    /// From `at` on; its window ends at `window_end`.
    void due(const std::string& name, wall_time at, wall_time window_end) { due_[name] = {at, window_end}; }
    /// Not any more, or it failed.
    void left(const std::string& name) { due_.erase(name); }
    void asked(const std::string& name, wall_time now);
    /// The manager forgot everything of that.
    void restarted();
    /// It was replaced. `under_way`: those that the manager had chosen before.
    void went(const std::string& name, wall_time now, const std::function<bool(const std::string&)>& under_way);

    std::uint64_t checked() const { return checked_; }  ///< how often somebody else waited meanwhile
    std::uint64_t out_of_turn() const { return out_of_turn_; }
    /// Who waited when the last one was.
    const std::string& instead_of() const { return instead_of_; }

    /// An order takes that long if nothing is wrong, and one waits within the manager's limiters.
    static constexpr duration chosen_before = std::chrono::minutes{5};
    /// Until a manager sees what clients want by now: it looks every hour.
    static constexpr duration seen_after = std::chrono::minutes{65};
    /// What clients wanted longer ago is less than one by now.
    static constexpr duration forgotten_after = std::chrono::days{8};
    /// What halving whole numbers may lose.
    static constexpr double rounding = 2;

    /// What a manager must know by now that clients wanted.
    double wanted_at_least(const std::string& name, wall_time now) const;

private:
    double wanted_at_most(const std::string& name, wall_time now) const;

    struct times {
        wall_time due, window_end;
    };
    std::map<std::string, times> due_;
    std::map<std::string, std::deque<wall_time>> asked_;
    std::uint64_t checked_ = 0, out_of_turn_ = 0;
    std::string instead_of_;
};

}  // namespace simulation
