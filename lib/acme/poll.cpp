#include "acme/poll.hpp"

#include <algorithm>

namespace evercert::acme {

duration poll_wait(int poll, std::optional<duration> retry_after, const poll_bounds& bounds) {
    if (poll == 0)
        return duration::zero();
    if (retry_after)
        return std::clamp(*retry_after, bounds.first, std::max(bounds.first, bounds.retry_after_most));
    auto wait = bounds.first;
    for (int i = 1; i < poll && wait < bounds.most; ++i)
        wait += wait / 2;
    return std::min(wait, bounds.most);
}

}  // namespace evercert::acme
