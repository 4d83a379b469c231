#pragma once

#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/identifier.hpp>
#include <evercert/manager.hpp>
#include <evercert/status.hpp>

#include "base/rate_limiter.hpp"
#include "manager/context.hpp"
#include "renewal/replacement_plan.hpp"

namespace evercert {

/// Of the orders that one flight of a certificate places: the later ones' names are not new any more.
enum class attempt_of_flight { first, later };

/// Our limits on orders and polls, and the ledger of the CA's. All of it survives a restart. Thread-bound to the
/// manager's strand, but for what says otherwise.
class order_limits {
public:
    explicit order_limits(const manager_context&);

    /// This CA issued `before` for exactly these names, not long ago. From any thread.
    bool is_repeat(const certificate_record& before, const std::vector<identifier>& names) const;
    /// From any thread.
    issue_answer can_issue(const std::vector<identifier>& names, order_kind) const;

    /// A token of each bucket that applies. Throws `errc::rate_limited` with `retry_after` if the CA's limits say not now,
    /// or if it would take longer than `longest`.
    asio::awaitable<void> pass(std::vector<identifier> names, order_kind, attempt_of_flight, duration longest);
    /// Of a newcomer, as far as is known now.
    duration expected_wait(const std::vector<identifier>& names, order_kind, attempt_of_flight) const;
    /// Until when who asks for these names now is refused, and why; nothing if the order would go within `longest`. From any
    /// thread.
    struct hold {
        wall_time until;
        std::string because;
    };
    std::optional<hold> holds(const std::vector<identifier>& names, order_kind, duration longest) const;
    asio::awaitable<void> pass_poll();

    /// Count an order and the validation of its names against the CA's limits, right before it is sent; throws
    /// `errc::rate_limited` if others have used them up since `pass`.
    void order(const std::vector<identifier>& names, order_kind);
    /// Until what `order` counted is in the store, as far as that can be: a crash must not forget what the CA counts from then.
    asio::awaitable<void> order_kept(std::vector<identifier> names, order_kind);
    /// What became of it: see `ledger`.
    void issued(const std::vector<identifier>& names, order_kind);
    void may_be_issued(const std::vector<identifier>& names, order_kind);
    void not_issued(const std::vector<identifier>& names, order_kind);
    void validated(const std::vector<identifier>& names, const std::vector<identifier>& not_authorized);

    /// Whether such an order counts against the CA's limit on the orders of an account. From any thread.
    bool counts(order_kind) const;
    /// How long that limit has another one wait that counts, after `ahead` others. From any thread.
    duration wait_for_account(std::size_t ahead) const;
    /// How fast renewals can go from now on. From any thread.
    replacement_paces paces() const;

    /// The state's limits were read.
    void restore();
    /// What newcomers wait for. From any thread.
    std::vector<limiter_status> status() const;

    /// As long as it takes.
    static constexpr duration no_end = std::chrono::hours{24 * 365 * 100};

private:
    /// What a limiter has for those who look from other threads.
    struct view {
        std::string_view name;
        steady_time free_at;
        std::size_t waiting = 0;
    };
    class payment;

    void look();
    void check_ledger(const std::vector<identifier>& names, order_kind) const;
    void check(const std::vector<identifier>& names, order_kind, duration longest) const;
    /// Names that no list has, and of which there was no certificate, nor an order of this flight's. From any thread.
    bool is_new(const std::vector<identifier>& names, order_kind, attempt_of_flight) const;
    void limits_changed();
    void remember();
    void ledger_changed();

    const manager_context& context_;
    rate_limiter orders_;
    rate_limiter new_hosts_;
    ceiling_limiter ceiling_;
    rate_limiter polls_;
    mutable std::mutex mutex_;
    std::array<view, 4> views_;  ///< kept up by `look`
    steady_time orders_full_;    ///< as the views
};

}  // namespace evercert
