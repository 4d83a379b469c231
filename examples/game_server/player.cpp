#include "player.hpp"

#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/buffer.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

namespace game {

player::player(evercert::tls_stream connection, player_options options)
    : connection_{std::move(connection)},
      executor_{connection_.get_executor()},
      options_{options},
      has_work_{executor_, asio::steady_timer::time_point::max()},
      deadline_{executor_} {}

void player::deliver(view next) {
    asio::post(
        executor(), [self = shared_from_this(), next = std::move(next)]() mutable { self->take(std::move(next)); });
}

void player::say_goodbye(std::string why) {
    asio::post(executor(), [self = shared_from_this(), why = std::move(why)] { self->take_goodbye(why); });
}

void player::welcome_as(player_id who, unsigned ticks_per_second) {
    first_ = welcome(who, ticks_per_second);
    has_work_.cancel();
}

void player::take(view next) {
    if (ended_ || !last_.empty() || !is_patient())
        return;
    if (ticks_.size() == options_.queue_max) {
        ticks_.pop_front();
        ++dropped_;
    }
    ticks_.push_back(std::move(next));
    has_work_.cancel();
}

// Ticks come all the time, so there is no need of a timer for each player.
bool player::is_patient() {
    const auto now = std::chrono::steady_clock::now();
    if (ticks_.size() == options_.queue_max && now - sent_ > options_.stuck_max) {
        connection_.close();
        return false;
    }
    if (now - heard_ <= options_.silence_max)
        return true;
    take_goodbye("you have been silent for too long");
    return false;
}

void player::take_goodbye(const std::string& why) {
    if (ended_ || !last_.empty())
        return;
    last_ = goodbye(why);
    ticks_.clear();
    has_work_.cancel();
    deadline_.expires_after(options_.goodbye_max);
    deadline_.async_wait([self = shared_from_this()](std::error_code cancelled) {
        if (!cancelled)
            self->connection_.close();
    });
}

asio::awaitable<void> player::write(std::shared_ptr<player> self) {
    player& me = *self;
    std::vector<asio::const_buffer> pieces;
    try {
        while (!me.ended_) {
            if (!me.first_.empty()) {
                const auto message = std::exchange(me.first_, {});
                co_await asio::async_write(me.connection_, asio::buffer(message), asio::use_awaitable);
            } else if (!me.ticks_.empty()) {
                const auto next = std::move(me.ticks_.front());
                me.ticks_.pop_front();
                const auto header = tick_header(next.of->tick, me.dropped_);
                pieces.assign(1, asio::buffer(header));
                for (const auto cell : world::seen_from(next.from_cell, next.cells_a_side))
                    pieces.push_back(asio::buffer(next.of->cells[cell]));
                co_await asio::async_write(me.connection_, pieces, asio::use_awaitable);
                me.sent_ = std::chrono::steady_clock::now();
            } else if (!me.last_.empty()) {
                co_await asio::async_write(me.connection_, asio::buffer(me.last_), asio::use_awaitable);
                // Half a close: the client may still be sending, and a reset would take the goodbye away from it.
                me.connection_.shutdown_write();
                co_return;
            } else {
                std::error_code woken;
                co_await me.has_work_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
            }
        }
    } catch (const std::system_error&) {
        me.connection_.close();  // which ends the reader, too
    }
}

asio::awaitable<velocity> player::read() {
    std::array<unsigned char, length_size> length;
    co_await asio::async_read(connection_, asio::buffer(length), asio::use_awaitable);
    std::array<unsigned char, client_message_max> message;
    const auto size = client_message_size(length);
    co_await asio::async_read(connection_, asio::buffer(message, size), asio::use_awaitable);
    heard_ = std::chrono::steady_clock::now();
    co_return parse_client_message(std::span<const unsigned char>{message}.first(size));
}

asio::awaitable<void> player::drain() {
    std::array<unsigned char, 512> dropped;
    std::error_code ended;
    while (!ended)
        co_await connection_.async_read_some(asio::buffer(dropped), asio::redirect_error(asio::use_awaitable, ended));
    ended_ = true;
    connection_.close();
    has_work_.cancel();
    deadline_.cancel();
}

}  // namespace game
