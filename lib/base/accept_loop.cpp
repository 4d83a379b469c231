#include "base/accept_loop.hpp"

#include <algorithm>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/strand.hpp"

namespace evercert {
namespace {

// After an accept that failed (out of descriptors, most likely): from the first, doubled, to the second.
constexpr std::chrono::milliseconds pause_first{10};
constexpr std::chrono::milliseconds pause_max{1000};

}  // namespace

asio::awaitable<void> accept_loop(
    listener& from, acceptance& into, asio::any_io_executor connections, std::shared_ptr<clock> time, logger log) {
    auto pause = pause_first;
    for (;;) {
        co_await into.room();
        const auto strand = strand_of(connections);
        auto accepted = co_await as_outcome<std::unique_ptr<stream>>(from.accept(strand));
        if (!accepted.thrown) {
            pause = pause_first;
            into.accepted(strand, std::move(*accepted.value));
            continue;
        }
        const auto why = describe(accepted.thrown);
        if (why.is_cancellation())
            co_return;
        if (pause == pause_first)
            log(log_level::warning, "cannot accept on {}: {}", to_string(from.local_endpoint()), why.text);
        co_await time->sleep_for(pause);
        pause = std::min(pause * 2, pause_max);
    }
}

}  // namespace evercert
