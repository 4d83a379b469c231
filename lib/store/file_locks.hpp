#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <evercert/clock.hpp>
#include <evercert/store.hpp>

#include "store/file_folder.hpp"

namespace evercert {

/// Leases between processes: flock(2) on a file per key, which its owner creates and removes. All of it blocks, but
/// never waits for another owner. Thread-safe.
class file_locks {
public:
    /// `root` must be there. Throws `errc::store_failed` if its file system has no flock.
    file_locks(std::shared_ptr<disk>, std::string root, std::shared_ptr<clock>);
    ~file_locks();
    file_locks(const file_locks&) = delete;

    /// A lease with token 0: somebody else has it.
    lease try_lock(const std::string& key, std::chrono::seconds length);
    void unlock(const lease&);

    /// Do `commit()`, during which the lease stays in force. Throws `errc::lock_lost` if it is not, without having
    /// begun; no lease (token 0) is none to lose.
    template <typename Commit>
    void while_held(const lease& under, Commit commit) {
        if (under.token == 0)
            return commit();
        const std::lock_guard lock{mutex_};
        check_held(under);
        commit();
    }

private:
    struct held_lock {
        std::unique_ptr<disk_file> file;
        std::string name;
        std::uint64_t token = 0;
        wall_time expires = {};
    };
    using held_map = std::map<std::string, held_lock, std::less<>>;

    file_folder open_folder() const;
    void check_held(const lease&);
    void drop_expired();
    void release(const held_lock&) const;
    std::unique_ptr<disk_file> claim(const file_folder&, const std::string& name) const;
    std::uint64_t next_token(const file_folder&) const;
    void describe_owner(disk_file&, const lease&, wall_time now) const;

    std::shared_ptr<disk> disk_;
    std::string root_;
    std::shared_ptr<clock> clock_;
    std::mutex mutex_;
    held_map held_;
};

}  // namespace evercert
