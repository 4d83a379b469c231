#include "renewal/schedule.hpp"

#include <algorithm>

namespace evercert {

wall_time renewal_time(wall_time not_before, wall_time not_after, double draw) {
    constexpr duration short_lived = std::chrono::days{10};
    constexpr int spread_percent = 2;
    const duration lifetime = std::max<duration>(not_after - not_before, {});
    const duration left = lifetime <= short_lived ? lifetime / 2 : lifetime / 3;
    const auto spread =
        std::chrono::duration_cast<duration>(lifetime / 100 * spread_percent * std::clamp(draw, 0.0, 1.0));
    return not_after - left - spread;
}

wall_time not_at_once(wall_time renewal, wall_time now, wall_time not_after, duration floor) {
    if (renewal > now)
        return renewal;
    return now + std::max<duration>((not_after - now) / 4, floor);
}

duration retry_delay(int failures, duration first, duration most, duration left) {
    duration delay = std::max<duration>(first, std::chrono::milliseconds{1});
    for (int i = 1; i < failures && delay < most; ++i)
        delay *= 2;
    delay = std::min(delay, most);
    if (left > duration{})
        delay = std::min(delay, std::max(left / 4, first));
    return delay;
}

}  // namespace evercert
