#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace evercert {

/// How often something was wanted lately: a count that halves each day, so that it is about what one to two days brought. One
/// relaxed addition a use, from any thread; uses that meet at the turn of a day may be lost.
class demand {
public:
    /// `day` counts up by whoever owns the calendar.
    void note(std::uint32_t day) noexcept {
        auto now = packed_.load(std::memory_order_relaxed);
        if (day_of(now) != day)
            packed_.compare_exchange_strong(now, pack(day, halved(now, day) + 1), std::memory_order_relaxed);
        else if (count_of(now) < count_max)
            packed_.fetch_add(1, std::memory_order_relaxed);
    }
    std::uint32_t on(std::uint32_t day) const noexcept { return halved(packed_.load(std::memory_order_relaxed), day); }
    /// Who takes the place of another is wanted as much.
    void succeed(const demand& before, std::uint32_t day) noexcept {
        packed_.store(pack(day, std::max(on(day), before.on(day))), std::memory_order_relaxed);
    }

    /// Below what fits, for many threads may add at once.
    static constexpr std::uint32_t count_max = 1U << 31U;

private:
    static std::uint64_t pack(std::uint32_t day, std::uint32_t count) noexcept {
        return std::uint64_t{day} << 32U | count;
    }
    static std::uint32_t day_of(std::uint64_t packed) noexcept { return static_cast<std::uint32_t>(packed >> 32U); }
    static std::uint32_t count_of(std::uint64_t packed) noexcept { return static_cast<std::uint32_t>(packed); }
    static std::uint32_t halved(std::uint64_t packed, std::uint32_t day) noexcept {
        const auto days = day - day_of(packed);
        return days < 32 ? count_of(packed) >> days : 0;
    }

    std::atomic<std::uint64_t> packed_ = 0;
};

}  // namespace evercert
