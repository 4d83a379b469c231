// Retry-After, in seconds or as a date (RFC 9110, section 10.2.3).

#include "acme/retry_after.hpp"

#include "fuzz.hpp"

using namespace evercert;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    constexpr duration least = std::chrono::minutes{1};
    constexpr duration most = std::chrono::days{1};
    std::optional<duration> before;
    for (const auto now : {wall_time::min(), wall_time{}, wall_time{std::chrono::days{20'000}}, wall_time::max()}) {
        const auto wait = acme::parse_retry_after(text, now, least, most);
        fuzz::must(!wait || (*wait >= least && *wait <= most), "a wait is within its bounds");
        fuzz::must(!before || (wait && *wait <= *before), "a wait does not become longer as time goes on");
        before = wait;
    }
    return 0;
}
