#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace evercert {

/// Without "//" and dot segments (RFC 3986, section 5.2.4), also where these are percent-encoded.
std::string clean_path(std::string_view path);
/// The same question, without an answer that costs.
bool is_clean_path(std::string_view path) noexcept;

/// Nothing for a '%' without two digits after it.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace evercert
