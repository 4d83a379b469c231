#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <evercert/clock.hpp>

namespace simulation {

using evercert::duration;
using evercert::wall_time;

/// What a simulation is watched for.
enum class check {
    expired,           ///< a second without a valid certificate and without excuse
    ca_limit,          ///< the CA refused by a limit
    lost_state,        ///< what was kept is gone, or what nobody kept was served
    unsaved,           ///< a certificate was served before the store was asked to take it
    abandoned,         ///< the CA issued what nobody ever got
    careless_request,  ///< the CA got what no careful client sends
    order_rate,        ///< the CA got more orders than `manager_options::orders` lets through
    early_order,       ///< an order came before the time that the manager said after a failure
    moved_renewal,     ///< a certificate's renewal was planned for another time without another reason
    out_of_turn,       ///< a certificate was renewed before another one that was to go first
    not_replaced,      ///< a certificate that the CA wanted replaced stayed, though nothing was wrong
    late_replacement,  ///< a mass replacement took longer than the manager had said, though nothing was wrong
};
inline constexpr std::size_t check_count = 12;

/// "expired" … "late_replacement".
std::string_view to_string(check) noexcept;

/// What should not have happened.
class findings {
public:
    struct finding {
        wall_time at;  ///< the true time
        check by;
    };

    void add(wall_time at, check by, std::string_view text);
    std::uint64_t count(check by) const { return counts_[static_cast<std::size_t>(by)]; }
    /// A simulation with one has failed.
    const std::optional<finding>& first() const { return first_; }
    /// The first ones of each check as text.
    const std::vector<std::string>& texts() const { return texts_; }

private:
    std::array<std::uint64_t, check_count> counts_{};
    std::optional<finding> first_;
    std::vector<std::string> texts_;
};

/// Orders as the CA sees them, against the limiter that they are to have passed. It has nothing in common with the
/// manager's limiter, so that one checks the other.
class order_pace {
public:
    /// One in each interval and so many at once. `late`: an order may come so much later than it passed.
    order_pace(duration interval, int burst, duration late) : interval_{interval}, ahead_{interval * burst + late} {}
    /// One comes now: whether that is one too many.
    bool order(wall_time now);

private:
    duration interval_, ahead_;
    wall_time full_at_ = wall_time::min();
};

/// When a manager said that it would try again what failed, by name.
class promises {
public:
    /// Orders may come so much sooner: a clock that is wrong by less is believed.
    explicit promises(duration tolerance) : tolerance_{tolerance} {}

    void promise(const std::string& name, wall_time now, wall_time until) { all_[name] = {now, until}; }
    /// It is no failure any more.
    void end(const std::string& name) { all_.erase(name); }
    /// The manager was killed, and what it remembers of the last moment may be lost.
    void killed(wall_time now);
    /// What it remembered may be lost.
    void forget() { all_.clear(); }
    /// An order comes now: the time that was promised, if that was to be later.
    std::optional<wall_time> order(const std::string& name, wall_time now) const;

private:
    struct one {
        wall_time at, until;
    };
    duration tolerance_;
    std::map<std::string, one> all_;
};

/// Times of renewal, which are drawn once: as long as certificate and reason are the same, so is the time.
class renewal_times {
public:
    /// What it was before, if it moved.
    std::optional<wall_time> look(
        const std::string& name, wall_time not_before, const std::string& reason, wall_time when);

private:
    struct one {
        wall_time not_before;
        std::map<std::string, wall_time> times;
    };
    std::map<std::string, one> all_;
};

}  // namespace simulation
