#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>
#include <date/date.h>
#include <fmt/format.h>

#include <evercert/acme/types.hpp>

namespace fuzz {

inline const std::string url = "https://ca.test/order/1";

/// With nanoseconds, as RFC 3339 allows.
inline std::string to_rfc3339(evercert::wall_time when) {
    // Not at once: date::format overflows near the ends of what nanoseconds can hold.
    const auto seconds = std::chrono::floor<std::chrono::seconds>(when);
    std::int64_t fraction = when.time_since_epoch().count() % 1'000'000'000;
    if (fraction < 0)
        fraction += 1'000'000'000;
    return date::format("%FT%T", seconds) + fmt::format(".{:09}Z", fraction);
}

inline boost::json::string json_text(std::string_view text) { return boost::json::string(text.data(), text.size()); }

inline boost::json::object json_name(const evercert::identifier& name) {
    const bool is_ip = name.type() == evercert::identifier::kind::ip;
    return {{"type", is_ip ? "ip" : "dns"}, {"value", name.value()}};
}

inline boost::json::array json_list(const std::vector<std::string>& all) {
    return boost::json::array(all.begin(), all.end());
}

}  // namespace fuzz
