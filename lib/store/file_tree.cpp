#include "store/file_tree.hpp"

#include <algorithm>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/store.hpp>

#include "store/file_io.hpp"
#include "store/file_value.hpp"

namespace evercert {
namespace {

namespace json = boost::json;

constexpr std::string_view pem = ".pem", json_suffix = ".json";
/// Only what is left of other processes with our number, in other containers, stands in the way.
constexpr int names_tried_max = 1000;

std::string without_trailing_slashes(std::string path) {
    while (path.size() > 1 && path.ends_with('/'))
        path.pop_back();
    return path;
}

void create_root(disk& on, const std::string& path) {
    std::error_code failed;
    on.create_folder(path, failed);
    if (failed != std::errc::file_exists)
        check_file(failed, "create the folder", path);
    // Also if it is there: who made it may have been killed before this.
    const auto slash = path.rfind('/');
    const auto parent = on.open_folder(slash == path.npos ? "." : path.substr(0, slash + 1), failed);
    if (parent)  // one that we may not read we cannot sync
        parent->sync(failed);
}

std::optional<file_folder> open_path(file_folder from, const std::vector<std::string>& folders) {
    for (const auto& folder : folders) {
        auto next = from.open_inside(folder);
        if (!next)
            return {};
        from = std::move(*next);
    }
    return from;
}

read_file_value read_value(
    const file_folder& folder, const std::string& name, disk_file& file, bool is_pem, bool holds_key) {
    const auto path = folder.path_of(name);
    const auto text = read_whole(file, file_size_max, path);
    try {
        return is_pem ? read_pem_file(text, holds_key) : read_json_file(text, holds_key);
    } catch (const error& e) {
        throw error{
            errc::state_damaged,
            fmt::format(
                "{}: {}. It is left as it is until a new value is saved; {} may hold the "
                "generation before",
                path, e.what(), previous_folder)};
    }
}

json::object parse_value(const std::string& key, const std::string& value) {
    if (value.size() > store::value_max)
        throw error{
            errc::store_failed,
            fmt::format("the value of {} has {} bytes, more than {}", key, value.size(), store::value_max)};
    boost::system::error_code failed;
    auto parsed = json::parse(value, failed);
    if (failed || !parsed.is_object())
        throw error{errc::store_failed, "the value of " + key + " is not a JSON object"};
    return std::move(parsed.get_object());
}

/// Without its suffix; nothing for a file that is no value.
std::optional<std::string_view> stem_of(std::string_view name) {
    for (const auto suffix : {pem, json_suffix})
        if (name.ends_with(suffix))
            return name.substr(0, name.size() - suffix.size());
    return {};
}

}  // namespace

file_tree::file_tree(std::shared_ptr<disk> on, std::string root, std::size_t keys_max)
    : disk_{std::move(on)}, root_{without_trailing_slashes(std::move(root))}, keys_max_{keys_max} {
    create_root(*disk_, root_);
    const auto folder = open_root();
    // A disk with errors is remounted so. Who starts then serves what there is, and each save says what is wrong.
    if (!folder.is_writable())
        return;
    folder.create_inside(std::string{previous_folder});
    for (const auto name : {locks_folder, writing_folder})
        remove_abandoned(folder.create_inside(std::string{name}));
}

std::optional<std::string> file_tree::load(const std::string& key) const {
    const auto place = place_of(key);
    const auto folder = open_path(open_root(), place.folders);
    if (!folder)
        return {};
    for (const auto suffix : {pem, json_suffix}) {
        const auto name = place.name + std::string{suffix};
        const auto file = folder->open_file(name, file_use::read);
        if (!file)
            continue;
        auto read = read_value(*folder, name, *file, suffix == pem, place.says_key);
        if (place.says_key && read.key != key)
            throw error{errc::state_damaged, folder->path_of(name) + " holds another key: " + quoted(read.key)};
        auto value = json::serialize(read.value);
        if (value.size() > store::value_max)
            throw error{errc::store_failed, folder->path_of(name) + " is larger than a value can be"};
        return value;
    }
    return {};
}

void file_tree::remove(const std::string& key) const {
    const auto place = place_of(key);
    auto kept = place.folders;
    kept.insert(kept.begin(), std::string{previous_folder});
    // What can be taken for the value goes last.
    for (const auto& path : {kept, place.folders}) {
        const auto folder = open_path(open_root(), path);
        if (!folder)
            continue;
        folder->remove(place.name + std::string{json_suffix});
        folder->remove(place.name + std::string{pem});
        // Also if there was none: who removed it may have failed here.
        folder->sync();
    }
}

// Listing.

struct file_tree::walk {
    std::string_view prefix;
    std::size_t depth = 0;
    bool hashed = false;  ///< inside a folder whose name is a hash
    std::vector<std::string> keys;
};

std::vector<std::string> file_tree::list(const std::string& prefix) const {
    const auto above = prefix.substr(0, prefix.rfind('/') + 1);
    const auto folders = folders_of(above);
    if (!folders)
        return {};
    const auto folder = open_path(open_root(), *folders);
    if (!folder)
        return {};
    walk found;
    found.prefix = prefix;
    found.depth = folders->size();
    found.hashed = std::any_of(folders->begin(), folders->end(), [](const std::string& f) { return is_hashed(f); });
    collect(*folder, above, found);
    std::sort(found.keys.begin(), found.keys.end());
    found.keys.erase(std::unique(found.keys.begin(), found.keys.end()), found.keys.end());
    return std::move(found.keys);
}

std::string file_tree::key_inside(const file_folder& folder, const std::string& name) const {
    const auto file = folder.open_file(name, file_use::read);
    try {
        return file ? read_value(folder, name, *file, name.ends_with(pem), true).key : std::string{};
    } catch (const error& e) {
        if (e.code() == errc::state_damaged)
            return {};  // load() tells whoever asks for it
        throw;
    }
}

void file_tree::collect(const file_folder& folder, const std::string& path, walk& found) const {
    for (const auto& [name, is_folder] : folder.entries(keys_max_)) {
        if (is_folder) {
            const bool ours =
                path.empty() && (name == locks_folder || name == previous_folder || name == writing_folder);
            if (ours || found.depth + 1 == key_segments_max || !(is_hashed(name) || is_key_segment(name)))
                continue;
            const auto below = path + name + '/';
            const bool hashed = found.hashed || is_hashed(name);
            if (!hashed && !below.starts_with(found.prefix))
                continue;
            if (const auto inner = folder.open_inside(name)) {
                ++found.depth;
                const bool outer = std::exchange(found.hashed, hashed);
                collect(*inner, below, found);
                found.hashed = outer;
                --found.depth;
            }
            continue;
        }
        const auto stem = stem_of(name);
        if (!stem)
            continue;
        if (found.hashed || is_hashed(*stem)) {
            auto key = key_inside(folder, name);
            if (!key.empty() && key.starts_with(found.prefix))
                found.keys.push_back(std::move(key));
        } else if (is_key_segment(*stem)) {
            auto key = path + std::string{*stem};
            if (key.starts_with(found.prefix))
                found.keys.push_back(std::move(key));
        }
        if (found.keys.size() > keys_max_)
            throw error{errc::store_failed, fmt::format("{} has more than {} values", root_, keys_max_)};
    }
}

// Writing.

/// A folder that is there may not be durable: who made it may have been killed before it synced the one above.
file_folder file_tree::create_path(file_folder from, const std::vector<std::string>& folders) const {
    for (const auto& folder : folders) {
        auto next = from.create_inside(folder);
        const std::lock_guard lock{durable_mutex_};
        if (const auto path = from.path_of(folder); !durable_.contains(path)) {
            from.sync();
            durable_.insert(path);
        }
        from = std::move(next);
    }
    return from;
}

file_tree::pending file_tree::write(const std::string& key, const std::string& value) const {
    const auto place = place_of(key);
    const auto parsed = parse_value(key, value);
    const auto* inside = place.says_key ? &key : nullptr;
    const bool may_be_pem = key.starts_with("certificates/");
    const auto as_pem = may_be_pem ? write_pem_file(parsed, inside) : std::nullopt;
    const auto content = as_pem ? *as_pem : write_json_file(parsed, inside);
    return pending{*this, place, as_pem.has_value(), content};
}

file_tree::pending::pending(const file_tree& tree, const file_place& place, bool is_pem, std::string_view content)
    : writing_{tree.open_root().create_inside(std::string{writing_folder})},
      previous_{tree.create_path(tree.open_root().create_inside(std::string{previous_folder}), place.folders)},
      folder_{tree.create_path(tree.open_root(), place.folders)},
      name_{place.name},
      is_pem_{is_pem} {
    create(tree);
    const auto path = writing_.path_of(fresh_);
    try {
        write_whole(*file_, content, path);
        std::error_code failed;
        file_->sync(failed);
        check_file(failed, "fsync", path);
    } catch (...) {
        discard(fresh_);
        throw;
    }
}

file_tree::pending::~pending() {
    if (!file_ || fresh_.empty())
        return;
    discard(fresh_);
    discard(previous_name());
}

void file_tree::pending::discard(const std::string& name) const {
    std::error_code ignored;
    writing_.get().remove(name, ignored);
}

void file_tree::pending::create(const file_tree& tree) {
    for (int i = 0; i < names_tried_max; ++i) {
        const auto name = fmt::format("{}-{}", tree.disk_->user().process, ++tree.serial_);
        std::error_code failed;
        auto file = writing_.get().open_file(name, file_use::create, failed);
        if (failed == std::errc::file_exists)
            continue;
        check_file(failed, "create", writing_.path_of(name));
        // Who removes what was abandoned may have been faster than our lock.
        if (!try_flock(*file, writing_.path_of(name)) || !writing_.has(name, *file))
            continue;
        file_ = std::move(file);
        fresh_ = name;
        return;
    }
    throw error{errc::store_failed, writing_.path_of("") + " is full of files: remove them"};
}

/// As a hard link, so that the value is never missing. Linux refuses links to files of other users, and some file systems
/// have none: then a copy.
bool file_tree::pending::set_aside(const std::string& name, const std::string& as) const {
    std::error_code failed;
    folder_.get().link(name, writing_.get(), as, failed);
    if (!failed)
        return true;
    if (failed == std::errc::no_such_file_or_directory)
        return false;
    if (!has_no_links(failed))
        throw_file_error("keep the previous generation of", folder_.path_of(name), failed);
    const auto original = folder_.open_file(name, file_use::read);
    if (!original)
        return false;
    const auto content = read_whole(*original, file_size_max, folder_.path_of(name));
    const auto copy = writing_.open_file(as, file_use::create);
    write_whole(*copy, content, writing_.path_of(as));
    // What it is a copy of was synced, and is to be replaced.
    copy->sync(failed);
    check_file(failed, "fsync the previous generation of", folder_.path_of(name));
    return true;
}

/// True if there was one in the other form, which would be left beside this one.
bool file_tree::pending::keep_previous() const {
    const auto linked = previous_name();
    discard(linked);  // of a process with our number, in a container that was killed
    bool was_other = false;
    for (const auto suffix : {pem, json_suffix}) {
        const auto name = name_ + std::string{suffix};
        if (!set_aside(name, linked))
            continue;  // the first generation
        was_other |= (suffix == pem) != is_pem_;
        // Another store that opens now takes it for abandoned: then the generation before that one stays.
        std::error_code failed;
        writing_.get().rename(linked, previous_.get(), name, failed);
        discard(linked);  // still there if both were the same file
        if (failed != std::errc::no_such_file_or_directory)
            check_file(failed, "keep the previous generation of", folder_.path_of(name));
    }
    return was_other;
}

void file_tree::pending::commit() {
    const bool was_other = keep_previous();
    const auto name = name_ + std::string{is_pem_ ? pem : json_suffix};
    std::error_code failed;
    writing_.get().rename(fresh_, folder_.get(), name, failed);
    check_file(failed, "replace", folder_.path_of(name));
    fresh_.clear();
    if (!was_other)
        return;
    // POSIX keeps no order: the old one must not be gone while the new one is not durable. load() looks for PEM first:
    // after a crash in between it finds either value.
    folder_.sync();
    folder_.remove(name_ + std::string{is_pem_ ? json_suffix : pem});
}

void file_tree::pending::sync() const { folder_.sync(); }

}  // namespace evercert
