#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include <evercert/testing/simulated_time.hpp>

#include "base/event.hpp"

namespace evercert::testing {

/// Those who sleep on one clock. Shared with them: the io_context destroys some of them after time and clock.
struct simulated_clock::sleepers {
    struct sleeper {
        sleeper(asio::any_io_executor executor, bool wall) : woken{std::move(executor)}, by_wall{wall} {}
        event woken;
        const bool by_wall;  ///< looks at the wall clock again when that has moved
        bool due = false;

        void wake() {
            due = true;
            woken.notify_all();
        }
    };
    using key = std::pair<duration, std::uint64_t>;  ///< of the machine's steady time, and who came first

    std::map<key, sleeper*> waiting;
    std::uint64_t next = 0;
    duration lost{};             ///< what suspensions took so far
    duration suspended_until{};  ///< of the true time

    /// So much of the true time has the machine been running.
    duration running(duration now) const { return std::max(now, suspended_until) - lost; }
    void wake_those_by_wall() {
        for (auto each = waiting.begin(); each != waiting.end();) {
            if (!each->second->by_wall) {
                ++each;
                continue;
            }
            each->second->wake();
            each = waiting.erase(each);
        }
    }
    /// When its steady time will show this.
    duration when(duration steady) const { return steady + lost; }
};

/// Shared with clocks and networks, which may outlive the `simulated_time`.
struct simulated_time::core {
    core(asio::io_context& on, wall_time start) : io{on}, begin{start} {}

    asio::io_context& io;
    const wall_time begin;
    duration now{};
    std::uint64_t moments = 0;
    std::uint64_t next = 0;
    std::map<std::pair<duration, std::uint64_t>, std::function<void()>> calls;
    std::vector<std::weak_ptr<simulated_clock::sleepers>> clocks;

    bool ended = false;  ///< the `simulated_time` is gone: nothing is called any more

    void settle() {
        do
            io.restart();
        while (io.poll() > 0);
    }
    std::optional<duration> next_moment() const;
    void move_to(duration);
    void call_due();
    void call_at(duration when, std::function<void()> what) {
        if (!ended)
            calls.emplace(std::pair{std::max(when, now), next++}, std::move(what));
    }
};

}  // namespace evercert::testing
