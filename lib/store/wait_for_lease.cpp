#include "store/wait_for_lease.hpp"

#include <fmt/format.h>

#include <evercert/error.hpp>

namespace evercert {

asio::awaitable<lease> wait_for_lease(
    lease_table& table, std::mutex& mutex, std::shared_ptr<clock> time, std::string key, std::chrono::seconds length) {
    for (;;) {
        lease granted;
        {
            const std::lock_guard lock{mutex};
            granted = table.try_lock(key, length, time->wall());
        }
        if (granted.token != 0)
            co_return granted;
        co_await time->sleep_for(lease_poll);
    }
}

void check_fence(const lease_table& table, const lease& under) {
    if (under.token != 0 && !table.is_newest(under))
        throw error{
            errc::lock_lost,
            fmt::format(
                "the lease of {} ended and somebody else has it: what was obtained under it is not saved",
                quoted(under.key))};
}

}  // namespace evercert
