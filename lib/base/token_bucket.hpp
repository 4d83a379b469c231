#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include <evercert/clock.hpp>

namespace evercert {

/// A token bucket as a pure value: one point in time, the moment at which the bucket is full again. (The generic
/// cell rate algorithm, ITU-T I.371.) Every operation is told the time.
template <typename TimePoint>
class basic_token_bucket {
public:
    /// An interval of 0 never limits. A new bucket is full.
    basic_token_bucket(duration interval, int burst) : interval_{interval}, burst_{std::max(burst, 1)} {}

    /// How long until a token is there for who comes after `ahead` others; 0 = now.
    duration delay(TimePoint now, std::size_t ahead = 0) const {
        return std::max<duration>(debt(now) + (static_cast<long>(ahead) - (burst_ - 1)) * interval_, {});
    }

    /// Take one, at a time at which `delay` is 0. More than there are may be taken: who takes has acted already.
    void take(TimePoint now) { full_at_ = std::max(full_at_, now) + interval_; }
    /// What was taken for was not done.
    void give_back() { full_at_ -= interval_; }

    /// How long until the bucket is full: what is kept across restarts.
    duration debt(TimePoint now) const { return full_at_ <= now ? duration{} : full_at_ - now; }
    /// Never more debt than an empty bucket has, whatever a damaged state says.
    void restore(duration debt, TimePoint now) { full_at_ = now + std::clamp<duration>(debt, {}, burst_ * interval_); }

    duration interval() const noexcept { return interval_; }
    int burst() const noexcept { return burst_; }
    TimePoint full_at() const noexcept { return full_at_; }

private:
    duration interval_;
    int burst_;
    TimePoint full_at_ = {};
};

using token_bucket = basic_token_bucket<steady_time>;

}  // namespace evercert
