#pragma once

#include <optional>
#include <string>

#include <evercert/clock.hpp>

namespace evercert {

/// Both clocks at one moment.
struct clock_look {
    wall_time wall = {};
    steady_time steady = {};
};

/// What there is to hold against the wall clock. Absent members say nothing.
struct clock_evidence {
    std::optional<wall_time> last_write;  ///< when the state was saved last, by this clock
    std::optional<wall_time>
        newest_not_before;  ///< of the certificates held; CAs date back, so it is in the past for sure

    /// The last answer of the CA: its `Date` and our clocks when it came.
    struct answer {
        wall_time date = {};
        clock_look received = {};
    };
    std::optional<answer> ca;
};

struct clock_opinion {
    enum class verdict {
        trusted,
        doubted,    ///< it contradicts the evidence: no order, renewal or deletion by it
        ask_again,  ///< it may be right, but only a new answer of the CA can tell; until then as if doubted
    };
    verdict is = verdict::trusted;
    std::string because;  ///< what contradicts what; empty if trusted
};

/// Is the wall clock to be believed? A CA's answer decides alone if there is one, since what was written while the
/// clock was ahead is no evidence for ever. It is measured against steady time, which stands still while a machine is suspended:
/// the CA's `Date` and the steady time since are a lower bound of the time. A wall clock that is ahead of it since the answer may be
/// right: that is `ask_again`, never `doubted`.
///
/// While it is not trusted, somebody has to go on asking the CA for an answer (the directory will do), or it stays so.
clock_opinion judge_clock(const clock_evidence&, const clock_look& now, duration tolerance);

/// By how much the wall clock was stepped between two looks, or the machine suspended (then forward); nothing if that is within
/// `tolerance`.
std::optional<duration> stepped(const clock_look& before, const clock_look& now, duration tolerance);

/// The time that what is kept is counted by: the wall clock's; but if it was stepped since it was `believed` last, or contradicts the
/// last write before anybody believed it, on from there. A step that is not confirmed ends no wait and no record.
wall_time counted_time(
    const std::optional<clock_look>& believed, wall_time last_write, const clock_look& now, duration tolerance);

/// A living manager saves more often than that. After a longer silence the clock may have run away.
inline constexpr std::chrono::days silence_max{400};

}  // namespace evercert
