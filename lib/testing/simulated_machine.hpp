#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <evercert/testing/simulated_disk.hpp>

#include "testing/disk_image.hpp"

namespace evercert::testing {

/// The disk and its kernel: what is refused, and what happened. Every member but `mutex` under `mutex`.
class simulated_disk::machine {
public:
    explicit machine(random_source draws) : random{std::move(draws)} {}

    struct process_state {
        std::int64_t id;
        std::uint64_t generation;  ///< of the machine when it started
        bool killed = false;
        std::map<std::uint64_t, disk_image::node_ptr> locked;  ///< by the open file that has the lock
    };
    bool lives(const process_state& one) const { return !off && !one.killed && one.generation == generation; }
    void end(process_state&);

    enum class need { nothing, change, room };
    /// What keeps the process from doing this now.
    std::error_code refusal(const process_state&, need) const;
    /// An operation was done.
    void happened();
    void turn_off();

    /// Of the node, or why there is none.
    disk_image::node_ptr find(const std::string& path, std::error_code& failed) const;

    std::mutex mutex;
    disk_image image;
    random_source random;

    bool off = false;
    std::uint64_t generation = 0;
    std::uint64_t operations = 0;
    std::optional<std::uint64_t> off_at;
    std::function<void()> when_off;
    fault wrong = fault::none;
    std::uint64_t wrong_from = 0;
    std::optional<std::uint64_t> room_left;
    bool has_locks = true;
    bool has_links = true;
    std::int64_t processes = 0;
    std::uint64_t open_files = 0;  ///< so far: the next one's number
};

std::shared_ptr<disk> make_simulated_process(
    std::shared_ptr<simulated_disk::machine>, std::shared_ptr<simulated_disk::machine::process_state>);
/// Null if it is not one of this machine.
std::shared_ptr<simulated_disk::machine::process_state> simulated_process_of(
    const std::shared_ptr<simulated_disk::machine>&, const std::shared_ptr<disk>&);

/// "/a//b" → "a", "b".
std::vector<std::string> path_segments(const std::string& path);

}  // namespace evercert::testing
