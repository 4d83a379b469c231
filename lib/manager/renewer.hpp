#pragma once

#include <string>

#include <asio/awaitable.hpp>

#include "base/semaphore.hpp"
#include "manager/account_keeper.hpp"
#include "manager/certificate_keeper.hpp"
#include "manager/clock_guard.hpp"
#include "manager/context.hpp"
#include "manager/order_limits.hpp"
#include "manager/renewal_plan.hpp"

namespace evercert {

/// Does what the plan says when it is due. Thread-bound to the manager's strand.
class renewer {
public:
    renewer(
        const manager_context&, certificate_keeper&, certificate_shelf&, account_keeper&, clock_guard&, order_limits&,
        renewal_plan&);

    // Each until cancelled.
    /// Renew and forget; tell of certificates that end.
    asio::awaitable<void> act();
    /// Ask the CA when to renew (RFC 9773).
    asio::awaitable<void> poll();
    /// Plan anew when the clock was stepped.
    asio::awaitable<void> follow_clock();

    /// So many polls at once: each is one request.
    static constexpr std::size_t polls_in_progress_max = 8;
    /// After a poll that failed: the plan does not depend on it, so there is no hurry.
    static constexpr std::chrono::hours poll_again_after{6};
    /// Between two attempts to remove a certificate.
    static constexpr std::chrono::hours forget_again_after{1};

private:
    asio::awaitable<void> wait_for(std::optional<renewal_queue::entry> next);
    asio::awaitable<void> act_on(std::string key, semaphore::permit);
    asio::awaitable<void> poll_for(std::string key, semaphore::permit);
    asio::awaitable<void> forget(std::string key);
    void give_notice(const std::string& key, certificate_record&);
    void take_suggestion(const std::string& key, certificate_record, const acme::renewal_info&);

    const manager_context& context_;
    certificate_keeper& certificates_;
    certificate_shelf& shelf_;
    account_keeper& accounts_;
    clock_guard& clock_;
    order_limits& limits_;
    renewal_plan& plan_;
    semaphore acting_;
    semaphore polling_;
};

}  // namespace evercert
