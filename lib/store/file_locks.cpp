#include "store/file_locks.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sched.h>

#include <evercert/error.hpp>

#include "store/file_io.hpp"
#include "store/file_place.hpp"

namespace evercert {
namespace {

/// The last token that was given out, as text of one length: replaced in place, it is whole even after a kill.
constexpr const char* tokens_file = ".tokens";
constexpr std::size_t token_digits = 20;
/// Its lock is held for a read and a write: who does not get it now and again in between asks later, as for any lock.
constexpr int token_tries_max = 100;
/// A lock file may be removed by its owner between our open and our flock.
constexpr int claims_max = 10;

std::string to_text(wall_time when) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(when.time_since_epoch()).count();
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

}  // namespace

file_locks::file_locks(std::shared_ptr<disk> on, std::string root, std::shared_ptr<clock> time)
    : disk_{std::move(on)}, root_{std::move(root)}, clock_{std::move(time)} {
    if (!file_folder::open(*disk_, root_).is_writable())
        return;
    // Whether there are locks here at all. Nothing is written: with a full disk, too, a server starts on what it has.
    const auto folder = open_folder();
    try_flock(*folder.open_file(tokens_file, file_use::update), folder.path_of(tokens_file));
}

file_locks::~file_locks() {
    for (const auto& [key, lock] : held_)
        release(lock);
}

file_folder file_locks::open_folder() const {
    return file_folder::open(*disk_, root_).create_inside(std::string{locks_folder});
}

lease file_locks::try_lock(const std::string& key, std::chrono::seconds length) {
    auto name = lock_name(key);
    const std::lock_guard lock{mutex_};
    drop_expired();
    if (held_.contains(key))
        return {};
    const auto folder = open_folder();
    auto file = claim(folder, name);
    if (!file)
        return {};
    held_lock claimed{std::move(file), std::move(name), 0, {}};
    try {
        claimed.token = next_token(folder);
    } catch (...) {
        release(claimed);
        throw;
    }
    if (claimed.token == 0) {
        release(claimed);
        return {};
    }
    const auto now = clock_->wall();
    claimed.expires = now + length;
    lease given{key, claimed.token, claimed.expires};
    describe_owner(*claimed.file, given, now);
    held_.insert_or_assign(key, std::move(claimed));
    return given;
}

void file_locks::unlock(const lease& given) {
    const std::lock_guard lock{mutex_};
    drop_expired();
    const auto at = held_.find(given.key);
    if (at == held_.end() || at->second.token != given.token)
        return;
    release(at->second);
    held_.erase(at);
}

void file_locks::check_held(const lease& under) {
    drop_expired();
    const auto at = held_.find(under.key);
    if (at == held_.end() || at->second.token != under.token || !open_folder().has(at->second.name, *at->second.file))
        throw error{
            errc::lock_lost,
            fmt::format(
                "the lease of {} is not in force any more: what was obtained under it is not saved",
                quoted(under.key))};
}

void file_locks::drop_expired() {
    const auto now = clock_->wall();
    std::erase_if(held_, [&](const held_map::value_type& entry) {
        const bool expired = entry.second.expires <= now;
        if (expired)
            release(entry.second);
        return expired;
    });
}

/// The file goes before the lock: whoever locks what was opened before sees that it is gone. Never throws: closing
/// the descriptor ends the lock whatever happens.
void file_locks::release(const held_lock& lock) const {
    try {
        const auto folder = open_folder();
        if (folder.has(lock.name, *lock.file))
            folder.remove(lock.name);
    } catch (const error&) {
        // The file stays, unlocked: the next owner takes it, or the next start removes it.
    }
}

std::unique_ptr<disk_file> file_locks::claim(const file_folder& folder, const std::string& name) const {
    for (int i = 0; i < claims_max; ++i) {
        auto file = folder.open_file(name, file_use::update);
        if (!try_flock(*file, folder.path_of(name)))
            return {};
        if (folder.has(name, *file))
            return file;
    }
    return {};
}

/// Grows from lease to lease, in whatever process: counted under a lock. The clock only steps in where a crash of the
/// machine took the count with it. 0 if others are counting.
std::uint64_t file_locks::next_token(const file_folder& folder) const {
    const auto path = folder.path_of(tokens_file);
    const auto file = folder.open_file(tokens_file, file_use::update);
    int tries = 0;
    while (!try_flock(*file, path)) {
        if (++tries == token_tries_max)
            return 0;
        ::sched_yield();
    }
    std::array<char, token_digits> text = {};
    std::error_code failed;
    const auto size = file->read(0, text, failed);
    check_file(failed, "read", path);
    std::uint64_t last = 0;
    const auto read = std::from_chars(text.data(), text.data() + size, last);
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(clock_->wall().time_since_epoch());
    const bool plausible = read.ec == std::errc{} && last < std::uint64_t{1} << 63;
    const auto token =
        std::max(plausible ? last + 1 : 1, static_cast<std::uint64_t>(std::max<std::int64_t>(micros.count(), 0)));
    const auto written = fmt::format("{:0{}}\n", token, token_digits);
    write_whole(*file, written, path);
    return token;
}

/// For people; the lock is the kernel's.
void file_locks::describe_owner(disk_file& file, const lease& given, wall_time now) const {
    const auto self = disk_->user();
    const boost::json::object owner{
        {"key", given.key},
        {"pid", self.process},
        {"host", self.host},
        {"since", to_text(now)},
        {"until", to_text(given.expires)},
        {"token", given.token}};
    // A full disk does not keep anybody from locking.
    std::error_code failed;
    file.clear(failed);
    if (!failed)
        file.write(0, boost::json::serialize(owner) + '\n', failed);
}

}  // namespace evercert
