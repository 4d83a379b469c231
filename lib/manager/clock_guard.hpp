#pragma once

#include <mutex>
#include <optional>
#include <string>

#include <asio/awaitable.hpp>

#include <evercert/acme/client.hpp>

#include "base/event.hpp"
#include "manager/account_keeper.hpp"
#include "manager/context.hpp"
#include "renewal/clock_check.hpp"

namespace evercert {

/// Whether the wall clock is to be believed: nothing is ordered, renewed or deleted by one that is not. Holds the evidence
/// and asks the CA for more; what follows from it is `judge_clock`'s. Thread-bound to the manager's strand, but for `doubt()`.
class clock_guard {
public:
    clock_guard(const manager_context&, account_keeper&);

    /// Throws `errc::clock_doubted`.
    void require();
    /// Returns once it is believed. While it is not, the CA is asked for its `Date` every
    /// `manager_options::clock_check_interval`.
    asio::awaitable<void> wait_until_trusted();
    /// True if it is believed, and the CA has said so in this run; asks it if it has not answered yet.
    asio::awaitable<bool> confirm();
    /// Look every minute, until cancelled, so that doubt is told when it begins and not when something is due.
    asio::awaitable<void> watch();

    /// The evidence that the store has is in memory.
    void state_read() { state_read_ = true; }
    /// The CA answered.
    void observe(const acme::client&);
    /// Why it is not believed, as of the last look. From any thread.
    std::optional<std::string> doubt() const;
    /// Notified when the clock was stepped or is believed again: what was planned by it may be wrong.
    event& turned() { return turned_; }

private:
    clock_look look() const;
    clock_opinion judge();
    void tell(const clock_opinion&);
    asio::awaitable<void> ask();
    asio::awaitable<void> ask_ca();

    const manager_context& context_;
    account_keeper& accounts_;
    std::optional<clock_evidence::answer> answer_;
    clock_look last_look_;
    std::optional<steady_time> asked_;
    bool state_read_ = false;
    bool settled_ = false;  ///< believed, and not stepped since
    event turned_;
    mutable std::mutex mutex_;
    std::optional<std::string> doubt_;
};

}  // namespace evercert
