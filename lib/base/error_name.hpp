#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <evercert/error.hpp>

namespace evercert {

/// For state that is kept: "evercert:rate_limited" by name, since the numbers of `errc` move between versions; "system:28"
/// for the system's. Empty for no error.
std::string to_name(const std::error_code&);
/// Back; nothing for what this version or system does not know.
std::optional<std::error_code> parse_error_name(std::string_view) noexcept;

}  // namespace evercert
