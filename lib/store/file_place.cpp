#include "store/file_place.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/store.hpp>

#include "crypto/encoding.hpp"

namespace evercert {
namespace {

/// NAME_MAX is 255 on every file system that there is; ".json" is added.
constexpr std::size_t file_name_max = 250;

std::string hashed(std::string_view text) {
    std::string name = "=";
    const auto digest = sha256(as_bytes(text));
    for (std::size_t i = 0; i < 16; ++i)
        name += fmt::format("{:02x}", digest[i]);
    return name;
}

/// A leading dot would hide it from those who list the folder, and from ourselves.
std::string file_name(std::string_view segment) {
    return segment.size() > file_name_max || segment.starts_with('.') ? hashed(segment) : std::string{segment};
}

std::vector<std::string_view> split(std::string_view key) {
    std::vector<std::string_view> segments;
    for (std::size_t at = 0;;) {
        const auto slash = key.find('/', at);
        segments.push_back(key.substr(at, slash - at));
        if (slash == key.npos)
            return segments;
        at = slash + 1;
    }
}

std::vector<std::string> to_folders(const std::vector<std::string_view>& segments) {
    std::vector<std::string> folders;
    for (const auto segment : segments)
        folders.push_back(file_name(segment));
    if (!folders.empty())
        if (const auto& first = folders.front();
            first == locks_folder || first == previous_folder || first == writing_folder)
            folders.front() = hashed(first);
    return folders;
}

std::vector<std::string_view> key_segments(std::string_view key) {
    auto segments = split(key);
    if (segments.size() > key_segments_max || !std::all_of(segments.begin(), segments.end(), is_key_segment))
        throw error{
            errc::store_failed,
            fmt::format(
                "{} is not a key: 1 to {} segments of 1 to {} characters from \"a-z0-9.-_*:\", none of them \".\" or "
                "\"..\"",
                quoted(key), key_segments_max, store::segment_max)};
    return segments;
}

}  // namespace

bool is_key_segment(std::string_view segment) {
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789.-_*:";
    return !segment.empty() && segment.size() <= store::segment_max && segment != "." && segment != ".." &&
        segment.find_first_not_of(allowed) == segment.npos;
}

file_place place_of(std::string_view key) {
    auto segments = key_segments(key);
    file_place place;
    place.name = file_name(segments.back());
    segments.pop_back();
    place.folders = to_folders(segments);
    place.says_key = is_hashed(place.name) ||
        std::any_of(place.folders.begin(), place.folders.end(),
                    [](const std::string& folder) { return is_hashed(folder); });
    return place;
}

std::optional<std::vector<std::string>> folders_of(std::string_view prefix) {
    if (prefix.empty())
        return std::vector<std::string>{};
    const auto segments = split(prefix.substr(0, prefix.size() - 1));
    if (segments.size() >= key_segments_max || !std::all_of(segments.begin(), segments.end(), is_key_segment))
        return {};
    return to_folders(segments);
}

std::string lock_name(std::string_view key) {
    key_segments(key);
    std::string name{key};
    std::replace(name.begin(), name.end(), '/', '=');
    return name.size() > file_name_max || name.starts_with('.') ? hashed(key) : name;
}

}  // namespace evercert
