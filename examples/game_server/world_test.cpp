#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "world.hpp"

using game::position;

namespace {

/// Everybody that a snapshot tells of.
std::map<game::player_id, position> told_by(const game::snapshot& seen) {
    std::map<game::player_id, position> result;
    for (const std::string_view cell : seen.cells) {
        if (cell.empty())
            continue;
        const auto u8 = [&](std::size_t at) { return static_cast<unsigned>(static_cast<unsigned char>(cell[at])); };
        const auto u16 = [&](std::size_t at) { return u8(at) << 8U | u8(at + 1); };
        CHECK(u16(0) == cell.size() - 2);
        CHECK(cell[2] == 'P');
        CHECK((cell.size() - 3) % 8 == 0);
        for (std::size_t at = 3; at < cell.size(); at += 8)
            result[u16(at) << 16U | u16(at + 2)] = {
                static_cast<std::int16_t>(u16(at + 4)), static_cast<std::int16_t>(u16(at + 6))};
    }
    return result;
}

}  // namespace

TEST_CASE("players move as they steer, are told of where they are, and stop at the edge") {
    game::world world;
    world.add(1);
    world.add(70'000);
    const auto before = world.position_of(70'000);
    world.steer(70'000, {3, -2});
    world.steer(5, {1, 1});  // nobody
    const auto first = told_by(world.tick());
    CHECK(first.size() == 2);
    CHECK(first.at(1) == world.position_of(1));
    CHECK(
        first.at(70'000) == position{static_cast<std::int16_t>(before.x + 3), static_cast<std::int16_t>(before.y - 2)});
    world.steer(1, {127, -128});
    for (int i = 0; i < 20; ++i)
        world.tick();
    CHECK(world.position_of(1) == position{1999, 0});
    CHECK(world.cell_of(1) == 19);
    world.remove(1);
    CHECK(told_by(world.tick()).size() == 1);
}

TEST_CASE("a player sees its cell and those around it, fewer at the edge") {
    using cells = std::vector<std::size_t>;
    CHECK(game::world::seen_from(0, 1) == cells{0});
    CHECK(game::world::seen_from(0, 3) == cells{0, 1, 3, 4});
    CHECK(game::world::seen_from(4, 3) == cells{0, 1, 2, 3, 4, 5, 6, 7, 8});
    CHECK(game::world::seen_from(8, 3) == cells{4, 5, 7, 8});
}

TEST_CASE("of a crowd each tick tells a part, and all in turn") {
    game::world world{{.cells_a_side = 1, .told_per_cell_max = 10}};
    for (game::player_id id = 1; id <= 25; ++id)
        world.add(id);
    std::map<game::player_id, position> told;
    for (int i = 0; i < 5; ++i) {
        const auto now = told_by(world.tick());
        CHECK(now.size() == 10);
        told.insert(now.begin(), now.end());
    }
    CHECK(told.size() == 25);
}

TEST_CASE("a client's message has 1 to 64 bytes, and steers") {
    using length = std::array<unsigned char, 2>;
    CHECK(game::client_message_size(length{0, 3}) == 3);
    CHECK(game::client_message_size(length{0, 64}) == 64);
    for (const auto bad : {length{0, 0}, length{0, 65}, length{1, 0}, length{255, 255}})
        CHECK_THROWS_AS(game::client_message_size(bad), game::protocol_error);
    CHECK(game::parse_client_message(std::array<unsigned char, 3>{'S', 5, 0xff}) == game::velocity{5, -1});
    const std::vector<std::vector<unsigned char>> refused{{'S', 5}, {'S', 5, 5, 5}, {'X', 5, 5}};
    for (const auto& bad : refused)
        CHECK_THROWS_AS(game::parse_client_message(bad), game::protocol_error);
}

TEST_CASE("the server's messages are what the protocol says, byte for byte") {
    using namespace std::string_literals;
    CHECK(game::welcome(0x01020304, 20) == "\x00\x07W\x01\x02\x03\x04\x00\x14"s);
    CHECK(game::tick_header(1, 2) == "\x00\x09T\x00\x00\x00\x01\x00\x00\x00\x02"s);
    CHECK(game::goodbye("bye") == "\x00\x04Gbye"s);
    CHECK_THROWS_AS(game::goodbye(std::string(65535, 'x')), std::length_error);
}
