#pragma once

#include <optional>
#include <string_view>

#include <evercert/clock.hpp>

namespace evercert::acme {

/// The wait that a `Retry-After` field (RFC 9110, section 10.2.3) asks for, as seconds or as a date, brought
/// between `least` and `most`: a CA must not make us hurry nor sleep for years. Nothing if it is neither.
std::optional<duration> parse_retry_after(std::string_view text, wall_time now, duration least, duration most);

}  // namespace evercert::acme
