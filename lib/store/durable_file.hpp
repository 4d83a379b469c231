#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <evercert/disk.hpp>

namespace evercert {

/// Files that are whole after any crash. All of them block: call them on the worker. Thread-safe as far as the
/// file system is.

/// Nothing if there is no such file. Throws `errc::store_failed` with the path and the system's reason, also for more
/// than `size_max` bytes.
std::optional<std::string> read_file(disk&, const std::string& path, std::size_t size_max);

/// Throws `errc::store_failed` if the folder is missing, or no files may be created in it.
void check_replaceable(disk&, const std::string& path);

/// Replace the file: write beside it with mode 0600, fsync, keep what was there as `path` + ".previous" (a hard
/// link, so `path` is never missing), rename, fsync the folder. After an error the old file is there as it was,
/// and nothing else. Throws `errc::store_failed`.
void replace_file(disk&, const std::string& path, std::string_view content);

}  // namespace evercert
