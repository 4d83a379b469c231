#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include <evercert/clock.hpp>

namespace evercert {

/// At most `count` acts in any span of `window`, as a pure value: unlike a token bucket, which lets through up to twice
/// its burst in one. Remembers the last `count` acts. Every operation is told the time.
class sliding_window {
public:
    /// A count or a window of 0 never limits.
    sliding_window(int count, duration window);

    /// How long until who comes after `ahead` others may act; 0 = now.
    duration delay(steady_time now, std::size_t ahead = 0) const;
    /// Act, at a time at which `delay` is 0.
    void take(steady_time now);

    /// How long ago the acts were that still count, the oldest first: what is kept across restarts.
    std::vector<duration> taken(steady_time now) const;
    /// Never more acts than fit and none in the future, whatever a damaged state says.
    void restore(std::vector<duration> ago, steady_time now);

private:
    bool is_limited() const noexcept { return count_ > 0 && window_ > duration{}; }

    std::size_t count_;
    duration window_;
    std::deque<steady_time> acts_;
};

}  // namespace evercert
