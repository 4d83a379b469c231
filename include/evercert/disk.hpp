#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <evercert/clock.hpp>

namespace evercert {

// The seam of the disk: the stores keep nothing past it. A simulation replaces it
// (evercert/testing/simulated_disk.hpp).
//
// All of it blocks. Functions report by `failed`, which they set or clear, as std::filesystem does: the values are those
// of errno, in the generic category. They throw nothing but std::bad_alloc. A disk is thread-safe; a folder and a file
// are reentrant. They may outlive the disk's last owner.

struct file_info {
    std::uint64_t size = 0;
    wall_time modified = {};  ///< when its content changed last; the epoch where the disk does not say
};

/// An open file.
class disk_file {
public:
    /// Closes it, which ends its lock.
    virtual ~disk_file() = default;

    /// How much there was from `at` on: 0 at the end, and maybe less than there is.
    virtual std::size_t read(std::uint64_t at, std::span<char> into, std::error_code& failed) = 0;
    /// How much was taken, which may be less than all of it. Behind the end the file grows.
    virtual std::size_t write(std::uint64_t at, std::string_view content, std::error_code& failed) = 0;
    virtual file_info info(std::error_code& failed) = 0;
    /// Leave nothing in it.
    virtual void clear(std::error_code& failed) = 0;
    /// Returns when the content is durable; the file's name is its folder's matter.
    virtual void sync(std::error_code& failed) = 0;
    /// As the destructor, for file systems that report a full disk only here. Nothing else may be called afterwards.
    virtual void close(std::error_code& failed) = 0;

    /// Take the file's lock, flock(2), without waiting: false without an error if another open file has it. It
    /// ends with the open file or its process. `std::errc::no_lock_available` and its kin if the file system has none.
    virtual bool try_lock(std::error_code& failed) = 0;
};

/// For what a file is opened. One that is created has mode 0600.
enum class file_use {
    read,    ///< it must be there
    update,  ///< read and write; created if it is not there
    create,  ///< write; must not be there
};

/// Who may do what in a folder.
struct folder_owner {
    unsigned user = 0;     ///< whose it is
    unsigned mode = 0;     ///< permissions, as chmod takes them
    unsigned process = 0;  ///< the user as whom this process acts
};

/// An open folder: what its path leads to later does not matter. Names are of things right inside, without '/'; symbolic
/// links are not followed (`std::errc::too_many_symbolic_link_levels`).
class disk_folder {
public:
    virtual ~disk_folder() = default;

    virtual std::unique_ptr<disk_folder> open_folder(const std::string& name, std::error_code& failed) = 0;
    /// With mode 0700.
    virtual void create_folder(const std::string& name, std::error_code& failed) = 0;
    /// `std::errc::is_a_directory` for whatever is no plain file; a pipe of that name holds nobody up.
    virtual std::unique_ptr<disk_file> open_file(const std::string& name, file_use, std::error_code& failed) = 0;

    /// Replaces what is there: at every moment that name is the one file or the other. Nothing happens if both are the
    /// same file, as rename(2) has it. `to` must be a folder of the same disk.
    virtual void rename(const std::string& from, disk_folder& to, const std::string& name, std::error_code& failed) = 0;
    /// A second name for the same file.
    virtual void link(const std::string& from, disk_folder& to, const std::string& name, std::error_code& failed) = 0;
    virtual void remove(const std::string& name, std::error_code& failed) = 0;
    /// Returns when what was created, renamed, linked and removed here is durable.
    virtual void sync(std::error_code& failed) = 0;

    /// True if the file of this name is `file`, not one that took its place.
    virtual bool has(const std::string& name, const disk_file& file) = 0;
    struct entry {
        std::string name;
        bool is_folder = false;
    };
    /// Files and folders in no order, without those that begin with a dot. `std::errc::value_too_large` for more than
    /// `entries_max`.
    virtual std::vector<entry> entries(std::size_t entries_max, std::error_code& failed) = 0;
    virtual folder_owner owner(std::error_code& failed) = 0;
    /// An error if this process may not create files here.
    virtual void check_writable(std::error_code& failed) = 0;
};

/// Who works on a disk, for the people who read the names and contents of lock files.
struct disk_user {
    std::int64_t process = 0;
    std::string host = {};
};

/// A machine's file system, as one process sees it.
class disk {
public:
    virtual ~disk() = default;

    // Paths are the application's: symbolic links are followed.

    virtual std::unique_ptr<disk_folder> open_folder(const std::string& path, std::error_code& failed) = 0;
    /// With mode 0700, in a folder that is there.
    virtual void create_folder(const std::string& path, std::error_code& failed) = 0;
    /// To read it.
    virtual std::unique_ptr<disk_file> open_file(const std::string& path, std::error_code& failed) = 0;

    virtual disk_user user() const = 0;
};

/// The disks of this machine. Files are closed by exec.
std::shared_ptr<disk> system_disk() noexcept;

}  // namespace evercert
