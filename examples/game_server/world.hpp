#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "messages.hpp"

namespace game {

struct world_options {
    /// The world is a square of so many cells a side; a player sees the cell that it is in and the eight around it.
    std::size_t cells_a_side = 20;
    std::int16_t cell_size = 100;
    /// Players of one cell that a tick tells of. If there are more, ticks take turns: a crowd costs its square without this.
    std::size_t told_per_cell_max = 50;
};

/// What one tick came to, encoded once for all who see it; never changes, so any number of threads may send it.
struct snapshot {
    std::uint32_t tick = 0;
    /// A 'P' message for each cell, row by row; empty if nobody is there.
    std::vector<std::string> cells;
};

/// Who is where. Knows nothing of connections, threads and time.
class world {
public:
    explicit world(world_options options = {}) : options_{options} {}

    void add(player_id);
    void remove(player_id);
    /// Nothing if there is no such player.
    void steer(player_id, velocity);
    /// Everybody moves, and stops at the edge.
    snapshot tick();

    std::size_t size() const noexcept { return movers_.size(); }
    position position_of(player_id) const;
    std::size_t cell_of(player_id) const;
    /// The cells of `snapshot::cells` that are seen from there.
    static std::vector<std::size_t> seen_from(std::size_t cell, std::size_t cells_a_side);

private:
    struct mover {
        position at = {};
        velocity by = {};
    };
    using told = std::vector<std::pair<player_id, position>>;

    std::size_t cell_at(position) const noexcept;
    std::string encode(const told&) const;

    world_options options_;
    std::uint32_t ticks_ = 0;
    std::unordered_map<player_id, mover> movers_;
};

}  // namespace game
