#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace evercert {

// What stands in the files of a `file_store`. With a `key`, the file holds that too, since its name does not.

/// A value with a PEM chain and key as one PEM file: "evercert: {…}" with the other members, the key, the
/// chain. Nothing if it is not such a value.
std::optional<std::string> write_pem_file(const boost::json::object& value, const std::string* key);
/// Indented, for people.
std::string write_json_file(const boost::json::object& value, const std::string* key);

struct read_file_value {
    boost::json::object value;
    std::string key;  ///< if the file holds one
};
/// Back. Throws `errc::state_damaged` with the reason, without the path. A PEM file without our first line
/// becomes "names", "chain" and "key".
read_file_value read_pem_file(std::string_view text, bool holds_key);
read_file_value read_json_file(std::string_view text, bool holds_key);

/// JSON of `value_max` bytes with indentation, or with "---" escaped: 8 bytes for 3.
inline constexpr std::size_t file_size_max = 4 << 20;

}  // namespace evercert
