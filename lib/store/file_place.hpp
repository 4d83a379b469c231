#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace evercert {

/// Where a key's value is in a `file_store`'s folder.
struct file_place {
    std::vector<std::string> folders;  ///< from the root; at most 3
    std::string name;                  ///< without ".json" or ".pem"
    bool says_key = false;             ///< a hash stands for a part of the key: the file must hold the key itself
};

/// Throws `errc::store_failed` for what is not a key as `store` has it: then it is no path either.
file_place place_of(std::string_view key);

/// The folders for a prefix of keys that ends in '/', or is empty. Nothing if no key can begin so.
std::optional<std::vector<std::string>> folders_of(std::string_view prefix);

/// One name for the whole key: of the file in "locks".
std::string lock_name(std::string_view key);

/// What the store keeps beside the values. A key may begin with these names all the same.
inline constexpr std::string_view locks_folder = "locks", previous_folder = "previous", writing_folder = "writing";

/// True for a name that stands for a part of a key by its hash.
inline bool is_hashed(std::string_view name) { return name.starts_with('='); }

bool is_key_segment(std::string_view);
inline constexpr std::size_t key_segments_max = 4;

}  // namespace evercert
