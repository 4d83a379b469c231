#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>

#include <evercert/tls_stream.hpp>

#include "world.hpp"

namespace game {

struct player_options {
    /// Ticks that wait for a slow connection; the oldest is dropped for a newer one, since only the newest is of any use.
    std::size_t queue_max = 4;
    /// Nothing could be sent for so long, although there was something: the client does not read any more.
    std::chrono::milliseconds stuck_max = std::chrono::seconds{10};
    /// A client that says nothing for so long is gone.
    std::chrono::milliseconds silence_max = std::chrono::seconds{60};
    /// How long a client has, after the goodbye was queued, to read it and to close.
    std::chrono::milliseconds goodbye_max = std::chrono::seconds{1};
};

/// A tick as one player sees it.
struct view {
    std::shared_ptr<const snapshot> of;
    std::size_t from_cell = 0;
    std::size_t cells_a_side = 0;
};

/// The connection of a player: all that happens to it happens on its strand, the one that the acceptor gave it.
/// `deliver` and `say_goodbye` may be called from any thread: they send the work there.
class player : public std::enable_shared_from_this<player> {
public:
    player(evercert::tls_stream connection, player_options options);

    const asio::any_io_executor& executor() const noexcept { return executor_; }
    void deliver(view);
    void say_goodbye(std::string why);

    // On the strand.

    /// Sends what is queued, until the goodbye has gone out or the connection has ended.
    static asio::awaitable<void> write(std::shared_ptr<player> self);
    /// What the client wants next. Throws `protocol_error`, or what reading throws.
    asio::awaitable<velocity> read();
    /// Queue a message that has to arrive before any tick does.
    void welcome_as(player_id, unsigned ticks_per_second);
    /// After the goodbye: until the client has closed, or has had its time.
    asio::awaitable<void> drain();

private:
    void take(view);
    void take_goodbye(const std::string& why);
    bool is_patient();

    evercert::tls_stream connection_;
    const asio::any_io_executor executor_;  // a copy, since others than the strand may ask
    const player_options options_;
    std::string first_;
    std::deque<view> ticks_;
    std::string last_;
    std::uint32_t dropped_ = 0;
    bool ended_ = false;
    std::chrono::steady_clock::time_point heard_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point sent_ = std::chrono::steady_clock::now();
    asio::steady_timer has_work_;  // never expires: cancelled when there is something to write
    asio::steady_timer deadline_;
};

}  // namespace game
