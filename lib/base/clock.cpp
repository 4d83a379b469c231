#include <algorithm>

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/clock.hpp>

#include "base/wall_time.hpp"

namespace evercert {
namespace {

class system_clock_type final : public clock {
public:
    wall_time wall() const override { return std::chrono::system_clock::now(); }
    steady_time steady() const override { return std::chrono::steady_clock::now(); }

    asio::awaitable<void> sleep_for(duration length) override {
        asio::steady_timer timer{co_await asio::this_coro::executor};
        timer.expires_after(length);
        co_await timer.async_wait(asio::use_awaitable);
    }
};

}  // namespace

asio::awaitable<void> clock::sleep_until(wall_time when) {
    for (auto now = wall(); now < when; now = wall())
        co_await sleep_for(std::min<duration>(when - now, slice));
}

asio::awaitable<void> clock::sleep_until_stepped(duration tolerance) {
    const auto wall_before = wall();
    const auto steady_before = steady();
    for (duration step{}; step <= tolerance && step >= -tolerance;) {
        co_await sleep_for(slice);
        step = between(plus(wall_before, steady() - steady_before), wall());
    }
}

std::shared_ptr<clock> system_clock() noexcept {
    static const auto instance = std::make_shared<system_clock_type>();
    return instance;
}

}  // namespace evercert
