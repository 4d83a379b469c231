#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/posix_file.hpp"

namespace evercert {

/// An open folder that nobody else can change, so that what was looked at is what is used. All of it blocks.
class file_folder {
public:
    /// Follows symbolic links: the path is the application's. Throws `errc::store_failed` for one that others can
    /// write to.
    static file_folder open(const std::string& path);
    /// Nothing if there is none.
    std::optional<file_folder> open_inside(const std::string& name) const;
    file_folder create_inside(const std::string& name) const;

    int get() const { return fd_.get(); }
    std::string path_of(std::string_view name) const { return path_ + '/' + std::string{name}; }

    /// A plain file that is not a symbolic link. No descriptor if there is none.
    descriptor open_file(const std::string& name, int flags) const;
    /// True if the file of this name is `file`, not one that took its place.
    bool has(const std::string& name, const descriptor& file) const;
    /// False if there was none.
    bool remove(const std::string& name) const;
    void sync() const;

    struct entry {
        std::string name;
        bool is_folder = false;
    };
    /// In no order, without those that begin with a dot and those that are neither files nor folders. Throws
    /// `errc::store_failed` for more than `entries_max`.
    std::vector<entry> entries(std::size_t entries_max) const;

private:
    file_folder(descriptor fd, std::string path);

    descriptor fd_;
    std::string path_;
};

/// Take the lock of an open file, without waiting: false if somebody has it. Throws `errc::store_failed` if the
/// file system has none.
bool try_flock(const descriptor& file, const std::string& path);

/// Remove the files that nobody has locked, of processes that were killed.
void remove_abandoned(const file_folder&);

}  // namespace evercert
