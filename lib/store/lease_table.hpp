#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>
#include <evercert/store.hpp>

namespace evercert {

/// Leases inside one process: who holds which key, until when, under which token. The pure part of a store's locks.
/// Not synchronized: its owner is.
class lease_table {
public:
    /// A lease with token 0: somebody else has it.
    lease try_lock(const std::string& key, std::chrono::seconds length, wall_time now);
    /// False if the lease was not in force any more.
    bool unlock(const lease&);
    /// True unless a later lease of the key was given out.
    bool is_newest(const lease&) const;

private:
    struct slot {
        std::uint64_t token = 0;
        wall_time expires = {};
        bool held = false;
    };
    std::map<std::string, slot, std::less<>> slots_;
};

}  // namespace evercert
