#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include <evercert/clock.hpp>

#include "renewal/schedule.hpp"

namespace evercert {

/// How much a certificate presses whose renewal is due. Less goes first.
struct replacement_rank {
    enum class pressure {
        ending,   ///< in the last twentieth of its life, or expired and still asked for: soon nobody is served
        overdue,  ///< the CA wanted it replaced before now: it may be revoked at any moment, or is
        in_time,
    };
    pressure group = pressure::in_time;
    /// What the group goes by: when it ends, or until when the CA or its life lets it be replaced. {} once that has
    /// passed: late is late, and a window in the past tells no more than when the CA was asked.
    wall_time deadline = {};
    std::uint64_t asked = 0;  ///< among equals, what clients want most goes first
    /// Its order counts against the CA's limit on the orders of an account.
    bool counted = false;

    bool goes_before(const replacement_rank& other) const;
};

/// `asked`: how often clients wanted it lately.
replacement_rank rank_of(const renewal_facts&, std::uint64_t asked, wall_time now);
/// When time alone changes its rank; none if it does not any more.
std::optional<wall_time> rank_changes_at(const renewal_facts&, wall_time now);

/// What is due and waits for the limits, what presses most first; among equals by key, so that there is one order.
/// Everything but `each` is O(log n). A pure value; not synchronized.
class replacement_queue {
public:
    /// Put, or rank anew.
    void put(const std::string& key, const replacement_rank&);
    void forget(const std::string& key);
    void clear();

    enum class of { all, uncounted };
    /// The first; it stays in the queue.
    std::optional<std::string> next(of which = of::all) const;
    std::size_t size() const noexcept { return ranks_.size(); }
    std::size_t counted() const noexcept { return lines_[1].size(); }

    /// In turn, until `look(key, rank)` returns false.
    template <typename Look>
    void each(Look look) const {
        auto free = lines_[0].begin();
        auto counted = lines_[1].begin();
        while (free != lines_[0].end() || counted != lines_[1].end()) {
            const bool is_free =
                counted == lines_[1].end() || (free != lines_[0].end() && goes_first{}(*free, *counted));
            const auto* one = is_free ? *free++ : *counted++;
            if (!look(one->first, one->second))
                return;
        }
    }

private:
    /// Key → rank; its nodes stay where they are.
    using ranks = std::unordered_map<std::string, replacement_rank>;
    struct goes_first {
        bool operator()(const ranks::value_type* a, const ranks::value_type* b) const;
    };
    using line = std::set<const ranks::value_type*, goes_first>;

    ranks ranks_;
    std::array<line, 2> lines_;  ///< [1]: those that count, which the CA's limit may keep while the others go on
};

}  // namespace evercert
