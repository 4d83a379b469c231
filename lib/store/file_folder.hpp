#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <evercert/disk.hpp>

namespace evercert {

/// An open folder that nobody else can change, so that what was looked at is what is used. All of it blocks, and throws
/// `errc::store_failed` with the path.
class file_folder {
public:
    /// Follows symbolic links: the path is the application's. Throws for one that others can write to.
    static file_folder open(disk&, const std::string& path);
    /// Nothing if there is none.
    std::optional<file_folder> open_inside(const std::string& name) const;
    file_folder create_inside(const std::string& name) const;

    /// The open folder itself, for who takes its errors as they are.
    disk_folder& get() const { return *open_; }
    std::string path_of(std::string_view name) const { return path_ + '/' + std::string{name}; }

    /// A plain file that is not a symbolic link. Null if there is none to read.
    std::unique_ptr<disk_file> open_file(const std::string& name, file_use) const;
    bool has(const std::string& name, const disk_file& file) const { return open_->has(name, file); }
    /// False if there was none.
    bool remove(const std::string& name) const;
    void sync() const;
    /// False on a file system that is mounted for reading alone. Throws for whatever else keeps this process from creating files here.
    bool is_writable() const;
    /// In no order, without those that begin with a dot. Throws for more than `entries_max`.
    std::vector<disk_folder::entry> entries(std::size_t entries_max) const;

private:
    file_folder(std::unique_ptr<disk_folder>, std::string path);

    std::unique_ptr<disk_folder> open_;
    std::string path_;
};

/// Take the lock of an open file, without waiting: false if somebody has it. Throws `errc::store_failed` if the
/// file system has none.
bool try_flock(disk_file& file, const std::string& path);

/// Remove the files that nobody has locked, of processes that were killed.
void remove_abandoned(const file_folder&);

}  // namespace evercert
