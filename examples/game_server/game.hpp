#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <evercert/tls_stream.hpp>

#include "player.hpp"
#include "world.hpp"

namespace game {

struct game_options {
    unsigned ticks_per_second = 20;
    std::size_t players_max = 5'000;
    world_options world = {};
    player_options player = {};
};

/// The world and its players, on one strand; each connection is on a strand of its own. Nothing is shared between strands
/// but what never changes, so there is no lock, and any number of threads may run the io_context: while the world moves,
/// other threads encrypt.
///
/// From a connection to the world goes a coroutine that the connection waits for: a client that sends faster than the
/// world takes is read more slowly, and nothing piles up. From the world to a connection goes a tick, and nobody waits:
/// the world never stands still for a player.
///
/// Must outlive the io_context's work.
class server {
public:
    server(asio::io_context&, game_options);

    /// The tick loop, until `stop()`.
    asio::awaitable<void> run();
    /// A player, from its welcome to its end. On the strand of the connection.
    asio::awaitable<void> play(evercert::tls_stream connection);
    /// No more ticks, and a goodbye to everybody. From any thread.
    void stop();

private:
    // On the strand of the world.
    asio::awaitable<void> tick_until_stopped();
    asio::awaitable<bool> join(player_id, std::shared_ptr<player>);
    asio::awaitable<void> steer(player_id, velocity);
    asio::awaitable<void> leave(player_id);
    void tick();

    asio::awaitable<void> listen_to(player_id, std::shared_ptr<player>);

    const game_options options_;
    const asio::any_io_executor strand_;
    asio::steady_timer next_tick_;
    world world_;
    std::unordered_map<player_id, std::shared_ptr<player>> players_;
    bool stopped_ = false;
    std::atomic<player_id> ids_ = 0;
};

}  // namespace game
