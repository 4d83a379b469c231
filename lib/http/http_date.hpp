#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <evercert/clock.hpp>

namespace evercert {

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7).
std::string http_date(wall_time);

/// The same, and the obsolete forms. Nothing for anything else, or a wrong day of the week. Times beyond what `wall_time` can hold
/// become its last or first.
std::optional<wall_time> parse_http_date(std::string_view text);

}  // namespace evercert
