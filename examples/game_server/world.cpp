#include "world.hpp"

#include <algorithm>

namespace game {

void world::add(player_id who) {
    // Spread over the world, the same way each time: neighbours by number are far from each other.
    const auto side =
        static_cast<std::uint32_t>(options_.cells_a_side) * static_cast<std::uint32_t>(options_.cell_size);
    const std::uint32_t spread = who * 2654435761U;
    mover fresh;
    fresh.at.x = static_cast<std::int16_t>((spread >> 16U) % side);
    fresh.at.y = static_cast<std::int16_t>((spread & 0xffffU) % side);
    movers_.insert_or_assign(who, fresh);
}

void world::remove(player_id who) { movers_.erase(who); }

void world::steer(player_id who, velocity by) {
    if (const auto found = movers_.find(who); found != movers_.end())
        found->second.by = by;
}

snapshot world::tick() {
    const int last = static_cast<int>(options_.cells_a_side) * options_.cell_size - 1;
    const auto moved = [last](int at, int by) { return static_cast<std::int16_t>(std::clamp(at + by, 0, last)); };
    std::vector<told> by_cell(options_.cells_a_side * options_.cells_a_side);
    for (auto& [who, each] : movers_) {
        each.at.x = moved(each.at.x, each.by.x);
        each.at.y = moved(each.at.y, each.by.y);
        by_cell[cell_at(each.at)].emplace_back(who, each.at);
    }
    snapshot result;
    result.tick = ++ticks_;
    result.cells.reserve(by_cell.size());
    for (auto& cell : by_cell)
        result.cells.push_back(cell.empty() ? std::string{} : encode(cell));
    return result;
}

position world::position_of(player_id who) const { return movers_.at(who).at; }
std::size_t world::cell_of(player_id who) const { return cell_at(position_of(who)); }

std::vector<std::size_t> world::seen_from(std::size_t cell, std::size_t cells_a_side) {
    const std::size_t column = cell % cells_a_side, row = cell / cells_a_side;
    std::vector<std::size_t> seen;
    for (std::size_t y = row - std::min<std::size_t>(row, 1); y <= std::min(row + 1, cells_a_side - 1); ++y)
        for (std::size_t x = column - std::min<std::size_t>(column, 1); x <= std::min(column + 1, cells_a_side - 1);
             ++x)
            seen.push_back(y * cells_a_side + x);
    return seen;
}

std::size_t world::cell_at(position at) const noexcept {
    const auto column = static_cast<std::size_t>(at.x / options_.cell_size);
    return static_cast<std::size_t>(at.y / options_.cell_size) * options_.cells_a_side + column;
}

std::string world::encode(const told& players) const {
    message_writer message{'P'};
    const std::size_t count = std::min(players.size(), options_.told_per_cell_max);
    for (std::size_t i = 0; i < count; ++i) {
        const auto& [who, at] = players[(ticks_ * count + i) % players.size()];
        message.u32(who).u16(static_cast<std::uint16_t>(at.x)).u16(static_cast<std::uint16_t>(at.y));
    }
    return message.finish();
}

}  // namespace game
