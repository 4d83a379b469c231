#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <evercert/clock.hpp>

namespace evercert {

/// What a client is asked to keep up with in one direction of a request.
struct pace_limits {
    duration stall_max = {};     ///< without a byte
    std::uint32_t rate_min = 0;  ///< bytes a second; 0 = none
    duration grace = {};         ///< of the time that counts for the rate
};

/// How it did so far. Only the time counts in which the server waited for it.
struct pace {
    duration waited = {};
    std::uint64_t bytes = 0;

    /// How long the server may wait for the next byte; not positive if the client is too slow.
    duration patience(const pace_limits& limits) const noexcept {
        if (limits.rate_min == 0)
            return limits.stall_max;
        // In seconds first: bytes times a billion would overflow. Nobody waits for 30 years.
        constexpr std::uint64_t seconds_max = 1'000'000'000;
        const auto earned = std::chrono::seconds{std::min(bytes / limits.rate_min, seconds_max)} +
            duration{(bytes % limits.rate_min) * 1'000'000'000 / limits.rate_min};
        return std::min(limits.stall_max, limits.grace + earned - waited);
    }
};

}  // namespace evercert
