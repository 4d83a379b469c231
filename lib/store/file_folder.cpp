#include "store/file_folder.hpp"

#include <fmt/format.h>

#include <evercert/error.hpp>

#include "store/file_io.hpp"

namespace evercert {
namespace {

/// Far more than processes can leave behind when they are killed.
constexpr std::size_t abandoned_max = 1'000'000;
/// Of those who are neither the owner nor root: group and others.
constexpr unsigned writable_by_others = 0022;

void check_trusted(const folder_owner& info, const std::string& path) {
    if (info.user != info.process && info.user != 0 && info.process != 0)
        throw error{
            errc::store_failed,
            fmt::format(
                "{} belongs to user {} and this process runs as user {}: use a folder of its own, or "
                "'chown -R {} {}'",
                path, info.user, info.process, info.process, path)};
    if ((info.mode & writable_by_others) != 0)
        throw error{
            errc::store_failed,
            fmt::format(
                "others can write to {} (mode {:04o}), which holds private keys: 'chmod go-w {}'", path, info.mode,
                path)};
}

}  // namespace

file_folder::file_folder(std::unique_ptr<disk_folder> open, std::string path)
    : open_{std::move(open)}, path_{std::move(path)} {
    std::error_code failed;
    const auto owner = open_->owner(failed);
    check_file(failed, "look at", path_);
    check_trusted(owner, path_);
}

file_folder file_folder::open(disk& on, const std::string& path) {
    std::error_code failed;
    auto folder = on.open_folder(path, failed);
    check_file(failed, "open the folder", path);
    return {std::move(folder), path};
}

std::optional<file_folder> file_folder::open_inside(const std::string& name) const {
    std::error_code failed;
    auto folder = open_->open_folder(name, failed);
    if (failed == std::errc::no_such_file_or_directory)
        return {};
    check_file(failed, "open the folder", path_of(name));
    return file_folder{std::move(folder), path_of(name)};
}

file_folder file_folder::create_inside(const std::string& name) const {
    if (auto known = open_inside(name))
        return std::move(*known);
    std::error_code failed;
    open_->create_folder(name, failed);
    if (failed != std::errc::file_exists) {
        check_file(failed, "create the folder", path_of(name));
        sync();
    }
    auto created = open_inside(name);
    if (!created)
        throw_file_error("open the folder", path_of(name), std::make_error_code(std::errc::no_such_file_or_directory));
    return std::move(*created);
}

std::unique_ptr<disk_file> file_folder::open_file(const std::string& name, file_use use) const {
    std::error_code failed;
    auto file = open_->open_file(name, use, failed);
    if (use == file_use::read && failed == std::errc::no_such_file_or_directory)
        return nullptr;
    if (failed == std::errc::is_a_directory)
        throw error{errc::store_failed, path_of(name) + " is not a file: move it away"};
    check_file(failed, "open", path_of(name));
    return file;
}

bool file_folder::remove(const std::string& name) const {
    std::error_code failed;
    open_->remove(name, failed);
    if (failed == std::errc::no_such_file_or_directory)
        return false;
    check_file(failed, "remove", path_of(name));
    return true;
}

void file_folder::sync() const {
    std::error_code failed;
    open_->sync(failed);
    check_file(failed, "fsync", path_);
}

bool file_folder::is_writable() const {
    std::error_code failed;
    open_->check_writable(failed);
    if (failed == std::errc::read_only_file_system)
        return false;
    check_file(failed, "write to the folder", path_);
    return true;
}

std::vector<disk_folder::entry> file_folder::entries(std::size_t entries_max) const {
    std::error_code failed;
    auto found = open_->entries(entries_max, failed);
    if (failed == std::errc::value_too_large)
        throw error{errc::store_failed, fmt::format("{} has more than {} files", path_, entries_max)};
    check_file(failed, "list", path_);
    return found;
}

bool try_flock(disk_file& file, const std::string& path) {
    std::error_code failed;
    const bool locked = file.try_lock(failed);
    for (const auto none :
         {std::errc::no_lock_available, std::errc::function_not_supported, std::errc::invalid_argument,
          std::errc::not_supported})
        if (failed == none)
            throw error{
                errc::store_failed,
                fmt::format(
                    "the file system of {} has no flock ({}): keep the store on a local disk, or use one that is "
                    "made for fleets",
                    path, failed.message())};
    check_file(failed, "lock", path);
    return locked;
}

void remove_abandoned(const file_folder& folder) {
    for (const auto& [name, is_folder] : folder.entries(abandoned_max)) {
        if (is_folder)
            continue;
        const auto file = folder.open_file(name, file_use::read);
        if (file && try_flock(*file, folder.path_of(name)) && folder.has(name, *file))
            folder.remove(name);
    }
}

}  // namespace evercert
