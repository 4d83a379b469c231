#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>
#include <evercert/store.hpp>

#include "store/lease_table.hpp"

namespace evercert {

/// Ask a table, guarded by `mutex`, until it grants the lease. Both must outlive it.
asio::awaitable<lease> wait_for_lease(
    lease_table& table, std::mutex& mutex, std::shared_ptr<clock> time, std::string key, std::chrono::seconds length);

/// Throws `errc::lock_lost` if `under` is a lease and not the newest of its key.
void check_fence(const lease_table& table, const lease& under);

/// How often a lock that is held is asked for again: an order takes a second or more, so nobody notices.
inline constexpr std::chrono::milliseconds lease_poll{20};

}  // namespace evercert
