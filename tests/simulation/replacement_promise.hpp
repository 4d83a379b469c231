#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include <evercert/clock.hpp>

namespace simulation {

/// Whether what waits in a mass replacement has been ordered when `manager_status::replacement` said that it would be, seen
/// from the CA. The manager supposes that all goes well and that nothing else is ordered: each other order puts the end off by its
/// turn, and who knows of anything that did not go well ends the promise.
class replacement_promise {
public:
    using duration = evercert::duration;
    using wall_time = evercert::wall_time;

    /// `turn`: how often the slowest limit that all orders pass lets one through.
    explicit replacement_promise(duration turn) : turn_{turn} {}

    bool is_open() const { return !waiting_.empty(); }
    /// A manager says that the last of these is ordered at `done_at`.
    void promise(std::set<std::string> waiting, wall_time done_at);
    /// The CA has an order. By how much it ended too late, if it is the last one and did.
    std::optional<duration> ordered(const std::string& name, wall_time now);
    /// Something went wrong with this one alone.
    void left(const std::string& name) { waiting_.erase(name); }
    /// Or with all of them.
    void end() { waiting_.clear(); }
    /// By how much it is too late already; the promise has ended then.
    std::optional<duration> overdue(wall_time now);

    /// How many ended as they should or not.
    std::uint64_t checked() const { return checked_; }

    /// From its turn until the CA has it, an order takes less than this if nothing is wrong.
    static constexpr duration an_order = std::chrono::minutes{5};

private:
    wall_time latest() const;

    duration turn_;
    std::set<std::string> waiting_;
    wall_time done_at_ = {};
    int others_ = 0;
    std::uint64_t checked_ = 0;
};

}  // namespace simulation
