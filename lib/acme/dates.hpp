#pragma once

#include <optional>
#include <string_view>

#include <evercert/clock.hpp>

#include "base/wall_time.hpp"
#include "http/http_date.hpp"

namespace evercert::acme {

/// RFC 3339, section 5.6: "2026-01-31T12:00:00Z", with any fraction of a second and any offset. Nothing for
/// anything else. Times beyond what `wall_time` can hold (the year 2262) become its last or first.
std::optional<wall_time> parse_rfc3339(std::string_view text);

using evercert::to_rfc3339;

using evercert::parse_http_date;

}  // namespace evercert::acme
