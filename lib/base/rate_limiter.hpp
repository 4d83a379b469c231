#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>

#include "base/event.hpp"
#include "base/sliding_window.hpp"
#include "base/token_bucket.hpp"

namespace evercert {

/// Who goes first when tokens are short.
enum class urgency {
    first,     ///< renewals: a certificate that is being served would expire
    ordinary,  ///< names that have none yet
};

/// A pace whose tokens are awaited: those who are urgent first, among equals first come, first served; who is cancelled
/// leaves the queue. `Pace` is a `token_bucket` or a `sliding_window`.
/// Thread-bound to its executor; must outlive those who wait.
template <typename Pace>
class basic_rate_limiter {
public:
    /// `name` is for messages: "new orders". At most `waiting_max` of each urgency wait.
    basic_rate_limiter(asio::any_io_executor, std::shared_ptr<clock>, Pace, std::string name, std::size_t waiting_max);

    /// Returns with a token taken. Throws `errc::rate_limited` with `retry_after` at once, and takes none, if it would
    /// have to wait longer than `longest`, as far as is known when it comes: those who are urgent may come later and go
    /// first. The same if `waiting_max` wait already.
    asio::awaitable<void> acquire(duration longest, urgency = urgency::ordinary);

    /// What a token was taken for is not done after all. Who waits already does not wait shorter.
    void give_back()
        requires requires(Pace& pace) { pace.give_back(); }
    {
        pace_.give_back();
        changed();
    }

    /// Throws what `acquire` would throw now; takes nothing.
    void check(duration longest, urgency = urgency::ordinary) const;

    /// What a newcomer would have to wait.
    duration expected_wait(urgency = urgency::ordinary) const;
    std::size_t waiting() const noexcept { return queue_.size(); }

    /// Called whenever somebody comes or goes, or a token does. Must not throw.
    void on_change(std::function<void()> changed) { on_change_ = std::move(changed); }

    /// What is kept across restarts: a bucket's debt, a window's acts.
    duration debt() const
        requires requires(const Pace& pace, steady_time now) { pace.debt(now); }
    {
        return pace_.debt(clock_->steady());
    }
    std::vector<duration> taken() const
        requires requires(const Pace& pace, steady_time now) { pace.taken(now); }
    {
        return pace_.taken(clock_->steady());
    }
    template <typename State>
    void restore(State kept) {
        pace_.restore(std::move(kept), clock_->steady());
        changed();
    }

private:
    class turn;

    void changed() const {
        if (on_change_)
            on_change_();
    }

    std::shared_ptr<clock> clock_;
    Pace pace_;
    std::string name_;
    std::size_t waiting_max_;
    std::list<turn*> queue_;
    std::size_t urgent_ = 0;  ///< so many at the front of the queue
    event moved_;
    std::function<void()> on_change_;
};

extern template class basic_rate_limiter<token_bucket>;
extern template class basic_rate_limiter<sliding_window>;

using rate_limiter = basic_rate_limiter<token_bucket>;
using ceiling_limiter = basic_rate_limiter<sliding_window>;

}  // namespace evercert
