#pragma once

#include <list>
#include <memory>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>

#include "base/event.hpp"
#include "base/token_bucket.hpp"

namespace evercert {

/// A token bucket whose tokens are awaited: first come, first served; who is cancelled leaves the queue.
/// Thread-bound to its executor; must outlive those who wait.
class rate_limiter {
public:
    /// `name` is for messages: "new orders". At most `waiting_max` wait.
    rate_limiter(
        asio::any_io_executor, std::shared_ptr<clock>, token_bucket, std::string name, std::size_t waiting_max);

    /// Returns with a token taken. Throws `errc::rate_limited` with `retry_after` at once, and takes none, if it would
    /// have to wait longer than `longest`, or if `waiting_max` wait already.
    asio::awaitable<void> acquire(duration longest);

    /// What a newcomer would have to wait.
    duration expected_wait() const;

    duration debt() const { return bucket_.debt(clock_->steady()); }
    void restore(duration debt) { bucket_.restore(debt, clock_->steady()); }

private:
    class turn;

    std::shared_ptr<clock> clock_;
    token_bucket bucket_;
    std::string name_;
    std::size_t waiting_max_;
    std::list<turn*> queue_;
    event moved_;
};

}  // namespace evercert
