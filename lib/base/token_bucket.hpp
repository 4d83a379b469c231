#pragma once

#include <algorithm>
#include <chrono>

#include <evercert/clock.hpp>

namespace evercert {

/// A token bucket as a pure value: one point in time, the moment at which the bucket is full again. (The generic
/// cell rate algorithm, ITU-T I.371.) Every operation is told the time.
class token_bucket {
public:
    /// An interval of 0 never limits. A new bucket is full.
    token_bucket(duration interval, int burst) : interval_{interval}, burst_{std::max(burst, 1)} {}

    /// How long until a token is there; 0 = now.
    duration delay(steady_time now) const { return std::max<duration>(full_at_ - (burst_ - 1) * interval_ - now, {}); }

    /// Take one, at a time at which `delay` is 0.
    void take(steady_time now) { full_at_ = std::max(full_at_, now) + interval_; }

    /// How long until the bucket is full: what is kept across restarts.
    duration debt(steady_time now) const { return std::max<duration>(full_at_ - now, {}); }
    /// Never more debt than an empty bucket has, whatever a damaged state says.
    void restore(duration debt, steady_time now) {
        full_at_ = now + std::clamp<duration>(debt, {}, burst_ * interval_);
    }

    duration interval() const noexcept { return interval_; }

private:
    duration interval_;
    int burst_;
    steady_time full_at_ = {};
};

}  // namespace evercert
