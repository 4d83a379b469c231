#pragma once

#include <chrono>
#include <memory>

#include <asio/awaitable.hpp>

namespace evercert {

using duration = std::chrono::nanoseconds;
/// Time as certificates have it: may be stepped by an operator or by NTP.
using wall_time = std::chrono::sys_time<duration>;
/// Time for waits and deadlines: never steps.
using steady_time = std::chrono::time_point<std::chrono::steady_clock, duration>;

/// The seam of time: evercert asks nobody else what time it is and waits on nothing else. A
/// simulation replaces it.
///
/// `wall()` and `steady()` are thread-safe. A sleep resumes on the executor of the coroutine that
/// awaits it and ends with `asio::error::operation_aborted` when it is cancelled.
class clock {
public:
    virtual ~clock() = default;

    virtual wall_time wall() const = 0;
    virtual steady_time steady() const = 0;
    virtual asio::awaitable<void> sleep_for(duration) = 0;

    /// Sleep until the wall clock shows `when`, however it is stepped meanwhile. It looks at the
    /// wall clock at least every `slice`, so a step or a suspended machine is noticed within one. A clock that knows when it
    /// is stepped need not look.
    virtual asio::awaitable<void> sleep_until(wall_time when);

    /// Sleep until the wall clock has moved by more than `tolerance` against the steady one since the call: it was stepped, or
    /// the machine was suspended. It looks every `slice`; a clock that knows when it is stepped need not, and may end such a
    /// sleep for less.
    virtual asio::awaitable<void> sleep_until_stepped(duration tolerance);

    /// The longest sleep between two looks at the wall clock.
    static constexpr duration slice = std::chrono::seconds{60};
};

/// The system's clocks.
std::shared_ptr<clock> system_clock() noexcept;

}  // namespace evercert
