#include "store/file_folder.hpp"

#include <fcntl.h>
#include <memory>
#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <fmt/format.h>

#include <evercert/error.hpp>

namespace evercert {
namespace {

/// Far more than processes can leave behind when they are killed.
constexpr std::size_t abandoned_max = 1'000'000;

void check_trusted(const struct stat& info, const std::string& path) {
    const auto self = ::geteuid();
    if (info.st_uid != self && info.st_uid != 0 && self != 0)
        throw error{
            errc::store_failed,
            fmt::format(
                "{} belongs to user {} and this process runs as user {}: use a folder of its own, or "
                "'chown -R {} {}'",
                path, info.st_uid, self, self, path)};
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        throw error{
            errc::store_failed,
            fmt::format(
                "others can write to {} (mode {:04o}), which holds private keys: 'chmod go-w {}'", path,
                info.st_mode & 07777, path)};
}

bool is_folder(const file_folder& parent, const dirent& found) {
    if (found.d_type != DT_UNKNOWN)
        return found.d_type == DT_DIR;
    struct stat info = {};
    return ::fstatat(parent.get(), found.d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

struct close_folder {
    void operator()(DIR* open) const { ::closedir(open); }
};

}  // namespace

file_folder::file_folder(descriptor fd, std::string path) : fd_{std::move(fd)}, path_{std::move(path)} {
    struct stat info = {};
    if (::fstat(fd_.get(), &info) != 0)
        throw_file_error("look at", path_);
    check_trusted(info, path_);
}

file_folder file_folder::open(const std::string& path) {
    descriptor fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!fd)
        throw_file_error("open the folder", path);
    return {std::move(fd), path};
}

std::optional<file_folder> file_folder::open_inside(const std::string& name) const {
    descriptor fd{::openat(get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (fd)
        return file_folder{std::move(fd), path_of(name)};
    if (errno == ENOENT)
        return {};
    throw_file_error("open the folder", path_of(name));
}

file_folder file_folder::create_inside(const std::string& name) const {
    if (auto known = open_inside(name))
        return std::move(*known);
    if (::mkdirat(get(), name.c_str(), 0700) == 0)
        sync();
    else if (errno != EEXIST)
        throw_file_error("create the folder", path_of(name));
    auto created = open_inside(name);
    if (!created)
        throw_file_error("open the folder", path_of(name), ENOENT);
    return std::move(*created);
}

descriptor file_folder::open_file(const std::string& name, int flags) const {
    // O_NONBLOCK: a pipe of that name must not hold us up.
    descriptor file{::openat(get(), name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600)};
    if (!file) {
        if (errno == ENOENT && !(flags & O_CREAT))
            return {};
        throw_file_error("open", path_of(name));
    }
    struct stat info = {};
    if (::fstat(file.get(), &info) != 0)
        throw_file_error("look at", path_of(name));
    if (!S_ISREG(info.st_mode))
        throw error{errc::store_failed, path_of(name) + " is not a file: move it away"};
    return file;
}

bool file_folder::has(const std::string& name, const descriptor& file) const {
    struct stat there = {}, ours = {};
    return ::fstatat(get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 && ::fstat(file.get(), &ours) == 0 &&
        there.st_ino == ours.st_ino && there.st_dev == ours.st_dev;
}

bool file_folder::remove(const std::string& name) const {
    if (::unlinkat(get(), name.c_str(), 0) == 0)
        return true;
    if (errno != ENOENT)
        throw_file_error("remove", path_of(name));
    return false;
}

void file_folder::sync() const {
    // EINVAL: a file system that keeps folders durable by itself, or not at all.
    if (::fsync(get()) != 0 && errno != EINVAL)
        throw_file_error("fsync", path_);
}

std::vector<file_folder::entry> file_folder::entries(std::size_t entries_max) const {
    const int copy = ::openat(get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, close_folder> open{copy < 0 ? nullptr : ::fdopendir(copy)};
    if (!open) {
        const int reason = errno;
        if (copy >= 0)
            ::close(copy);
        throw_file_error("list", path_, reason);
    }
    std::vector<entry> found;
    for (;;) {
        errno = 0;
        const auto* next = ::readdir(open.get());
        if (!next && errno != 0)
            throw_file_error("list", path_);
        if (!next)
            return found;
        if (next->d_name[0] == '.')
            continue;
        if (found.size() == entries_max)
            throw error{errc::store_failed, fmt::format("{} has more than {} files", path_, entries_max)};
        found.push_back({next->d_name, is_folder(*this, *next)});
    }
}

bool try_flock(const descriptor& file, const std::string& path) {
    for (;;) {
        if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0)
            return true;
        switch (errno) {
        case EINTR: continue;
        case EWOULDBLOCK: return false;
        case ENOLCK:
        case ENOSYS:
        case EINVAL:
        case ENOTSUP:
            throw error{
                errc::store_failed,
                fmt::format(
                    "the file system of {} has no flock ({}): keep the store on a local disk, or use one that is "
                    "made for fleets",
                    path, std::generic_category().message(errno))};
        default: throw_file_error("lock", path);
        }
    }
}

void remove_abandoned(const file_folder& folder) {
    for (const auto& [name, is_folder] : folder.entries(abandoned_max)) {
        if (is_folder)
            continue;
        const auto file = folder.open_file(name, O_RDONLY);
        if (file && try_flock(file, folder.path_of(name)) && folder.has(name, file))
            folder.remove(name);
    }
}

}  // namespace evercert
