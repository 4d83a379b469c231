#include "game.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/rethrow.hpp>

namespace game {

server::server(asio::io_context& io, game_options options)
    : options_{options}, strand_{asio::make_strand(io)}, next_tick_{strand_}, world_{options.world} {}

asio::awaitable<void> server::run() { co_await asio::co_spawn(strand_, tick_until_stopped(), asio::use_awaitable); }

asio::awaitable<void> server::tick_until_stopped() {
    const auto period = std::chrono::steady_clock::duration{std::chrono::seconds{1}} / options_.ticks_per_second;
    auto due = std::chrono::steady_clock::now();
    while (!stopped_) {
        // From when it was due, so that the rate holds; but what was missed altogether is not made up for in a burst.
        due = std::max(due + period, std::chrono::steady_clock::now());
        next_tick_.expires_at(due);
        std::error_code cancelled;
        co_await next_tick_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
        if (!stopped_)
            tick();
    }
}

void server::tick() {
    const auto now = std::make_shared<const snapshot>(world_.tick());
    for (const auto& [id, each] : players_)
        each->deliver({now, world_.cell_of(id), options_.world.cells_a_side});
}

asio::awaitable<void> server::play(evercert::tls_stream connection) {
    const player_id id = ++ids_;
    const auto me = std::make_shared<player>(std::move(connection), options_.player);
    asio::co_spawn(me->executor(), player::write(me), evercert::rethrow);
    me->welcome_as(id, options_.ticks_per_second);
    const bool joined = co_await asio::co_spawn(strand_, join(id, me), asio::use_awaitable);
    std::string why = "there is no room in the game";
    if (joined) {
        try {
            co_await listen_to(id, me);
        } catch (const protocol_error& refused) {
            why = refused.what();
        } catch (const std::system_error&) {
            why = "goodbye";  // the client has closed, or its connection broke
        }
        co_await asio::co_spawn(strand_, leave(id), asio::use_awaitable);
    }
    me->say_goodbye(why);
    co_await me->drain();
}

asio::awaitable<void> server::listen_to(player_id id, std::shared_ptr<player> me) {
    for (;;) {
        const velocity wanted = co_await me->read();
        co_await asio::co_spawn(strand_, steer(id, wanted), asio::use_awaitable);
    }
}

asio::awaitable<bool> server::join(player_id id, std::shared_ptr<player> who) {
    if (stopped_ || players_.size() >= options_.players_max)
        co_return false;
    world_.add(id);
    players_.emplace(id, std::move(who));
    co_return true;
}

asio::awaitable<void> server::steer(player_id id, velocity wanted) {
    world_.steer(id, wanted);
    co_return;
}

asio::awaitable<void> server::leave(player_id id) {
    world_.remove(id);
    players_.erase(id);
    co_return;
}

void server::stop() {
    asio::post(strand_, [this] {
        stopped_ = true;
        next_tick_.cancel();
        for (const auto& [id, each] : players_)
            each->say_goodbye("the server stops");
    });
}

}  // namespace game
