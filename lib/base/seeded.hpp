#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>

namespace evercert {

/// One number from several; SplitMix64's mixing (Steele, Lea, Flood 2014), the same on every compiler.
constexpr std::uint64_t mixed(std::initializer_list<std::uint64_t> parts) noexcept {
    std::uint64_t state = 0;
    for (const auto part : parts) {
        state += part + 0x9e3779b97f4a7c15;
        state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
        state = (state ^ (state >> 27)) * 0x94d049bb133111eb;
        state ^= state >> 31;
    }
    return state;
}

/// Draws that follow from a seed. The standard's distributions differ between libraries; these do not.
class seeded {
public:
    explicit constexpr seeded(std::uint64_t seed) noexcept : state_{seed} {}

    constexpr std::uint64_t next() noexcept { return state_ = mixed({state_}); }
    /// In [0, 1).
    constexpr double share() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }
    /// In [0, end); `end` above 0.
    constexpr std::uint64_t below(std::uint64_t end) noexcept { return next() % end; }

private:
    std::uint64_t state_;
};

/// From the system.
inline std::uint64_t unknown_seed() {
    std::random_device from;
    return std::uint64_t{from()} << 32 | from();
}

}  // namespace evercert
