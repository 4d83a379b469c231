#include "acme/retry_after.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "acme/dates.hpp"

namespace evercert::acme {

std::optional<duration> parse_retry_after(std::string_view text, wall_time now, duration least, duration most) {
    using std::chrono::seconds;
    // In seconds: the distance between two times may be more nanoseconds than there are.
    seconds wait{};
    if (text.empty())
        return {};
    if (text.find_first_not_of("0123456789") == std::string_view::npos) {
        auto end = text.data() + text.size();
        seconds::rep count = 0;
        if (std::from_chars(text.data(), end, count).ec != std::errc{})
            return most;
        wait = seconds{count};
    } else {
        auto date = parse_http_date(text);
        if (!date)
            return {};
        wait = std::chrono::floor<seconds>(*date) - std::chrono::floor<seconds>(now);
    }
    if (wait >= std::chrono::ceil<seconds>(most))
        return most;
    return wait < seconds::zero() ? least : std::max<duration>(wait, least);
}

}  // namespace evercert::acme
