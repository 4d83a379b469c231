// The state that Go's letsencrypt package wrote.

#include "manager/go_state.hpp"

#include "state_check.hpp"

using namespace evercert;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const wall_time then = std::chrono::sys_days{std::chrono::year{2017} / 4 / 1};
    const auto text = fuzz::text_of(data, size);
    const auto items = fuzz::read([&] { return read_go_state(text, fuzz::directory_url, then); });
    if (!items || !*items)
        return 0;
    // As it is saved: Boost.JSON reads one double in ten as its neighbour, but then stays with it.
    const auto saved = fuzz::read([&] { return read_document(write_document(**items)); });
    fuzz::must(saved && fuzz::accepts_state(*saved), "what was read of another's state is one of ours");
    return 0;
}
