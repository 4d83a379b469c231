#pragma once

#include <optional>
#include <string>

#include <asio/awaitable.hpp>

#include <evercert/status.hpp>

#include "base/semaphore.hpp"
#include "lookup/certificate_index.hpp"
#include "manager/account_keeper.hpp"
#include "manager/certificate_keeper.hpp"
#include "manager/clock_guard.hpp"
#include "manager/context.hpp"
#include "manager/order_limits.hpp"
#include "manager/renewal_plan.hpp"

namespace evercert {

/// Does what the plan says when it is due. Renewals wait in line until the limits let one through, and only then the one that
/// presses most is chosen: thousands may be due at once. Thread-bound to the manager's strand, but for what says otherwise.
class renewer {
public:
    renewer(
        const manager_context&, certificate_index&, certificate_keeper&, certificate_shelf&, account_keeper&,
        clock_guard&, order_limits&, renewal_plan&);

    // Each until cancelled.
    /// Line up what is to be renewed, and forget; tell of certificates that end.
    asio::awaitable<void> act();
    /// Renew, in turn.
    asio::awaitable<void> replace();
    /// What was asked for counts half a day later.
    asio::awaitable<void> count_days();
    /// Ask the CA when to renew (RFC 9773).
    asio::awaitable<void> poll();
    /// Plan anew when the clock was stepped.
    asio::awaitable<void> follow_clock();

    /// What waits, if that is more than one and the limits do not let it go now. From any thread.
    std::optional<replacement_status> replacement() const;

    /// Only one waits within the limiters: who waits there is not overtaken by what presses more. The others have passed them.
    static constexpr std::size_t waiting_in_limits_max = 1;
    /// So many polls at once: each is one request on a connection of its own.
    static constexpr std::size_t polls_in_progress_max = 8;
    /// One connection carries those that are due at the same moment, one after another; there is another for what waits longer
    /// than this.
    static constexpr std::chrono::minutes poll_in_turn_max{1};
    /// After a poll that failed: the plan does not depend on it, so there is no hurry.
    static constexpr std::chrono::hours poll_again_after{6};
    /// A poll that failed is not put off for longer, whatever the CA says.
    static constexpr std::chrono::hours poll_after_most{24};
    /// Between two attempts to remove a certificate.
    static constexpr std::chrono::hours forget_again_after{1};
    /// So many at once; the next one is looked at again soon.
    static constexpr std::size_t forgets_in_progress_max = 32;
    /// Before one is looked at again for which there was no room, or which is on its way for a client already.
    static constexpr std::chrono::minutes look_again_after{1};
    /// What waits in line is ranked anew so often: clients may have asked for it since.
    static constexpr std::chrono::minutes rank_again_after{30};
    /// After so many that are due others have the strand.
    static constexpr int looks_in_a_row_max = 64;

private:
    asio::awaitable<void> wait_for(renewal_queue::list, std::optional<renewal_queue::entry> next);
    void act_on(const std::string& key);
    void line_up(const std::string& key, const certificate_record&, const renewal_facts&);
    asio::awaitable<std::string> most_pressing();
    asio::awaitable<void> renew(std::string key, semaphore::permit room, semaphore::permit turn);
    void tell_of_replacement();
    std::optional<renewal_queue::entry> next_poll() const;
    asio::awaitable<void> poll_in_turn(semaphore::permit);
    asio::awaitable<void> poll_for(std::string key);
    asio::awaitable<void> forget(std::string key, semaphore::permit);
    void give_notice(const std::string& key, certificate_record&);
    void take_suggestion(const std::string& key, certificate_record, const acme::renewal_info&);

    const manager_context& context_;
    certificate_index& index_;
    certificate_keeper& certificates_;
    certificate_shelf& shelf_;
    account_keeper& accounts_;
    clock_guard& clock_;
    order_limits& limits_;
    renewal_plan& plan_;
    const std::size_t renewals_max_;
    semaphore renewing_;
    semaphore turns_;
    semaphore forgetting_;
    semaphore polling_;
    const double poll_phase_;
    std::size_t told_waiting_ = 0;  ///< so many waited when that was told last; 0 = nothing to tell of
};

}  // namespace evercert
