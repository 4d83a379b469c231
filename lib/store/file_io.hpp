#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

#include <evercert/disk.hpp>

namespace evercert {

/// Throws `errc::store_failed`: "cannot WHAT PATH: REASON", and what to do where the reason tells.
[[noreturn]] void throw_file_error(std::string_view what, const std::string& path, const std::error_code& reason);

inline void check_file(const std::error_code& failed, std::string_view what, const std::string& path) {
    if (failed)
        throw_file_error(what, path, failed);
}

/// What a filesystem says that has no hard links, or not for this file: vfat, some network and container mounts.
bool has_no_links(const std::error_code& failed) noexcept;

/// From the beginning: all of it, or an error.
void write_whole(disk_file&, std::string_view content, const std::string& path);

/// To the end. Throws `errc::store_failed` for more than `size_max` bytes.
std::string read_whole(disk_file&, std::size_t size_max, const std::string& path);

}  // namespace evercert
