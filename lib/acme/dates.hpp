#pragma once

#include <optional>
#include <string_view>

#include <evercert/clock.hpp>

#include "base/wall_time.hpp"

namespace evercert::acme {

/// RFC 3339, section 5.6: "2026-01-31T12:00:00Z", with any fraction of a second and any offset. Nothing for
/// anything else. Times beyond what `wall_time` can hold (the year 2262) become its last or first.
std::optional<wall_time> parse_rfc3339(std::string_view text);

using evercert::to_rfc3339;

/// RFC 9110, section 5.6.7, the obsolete forms too. Nothing for anything else, or a wrong day of the week.
std::optional<wall_time> parse_http_date(std::string_view text);

}  // namespace evercert::acme
