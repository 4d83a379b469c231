#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/certificate.hpp>

#include "base/worker.hpp"
#include "issuance/issuer.hpp"
#include "manager/account_keeper.hpp"
#include "manager/clock_guard.hpp"
#include "manager/context.hpp"
#include "manager/order_limits.hpp"

namespace evercert {

/// Step 7: one order and its certificate, with the ledger's entries and the record that finds the certificate again after a
/// crash. Thread-bound to the manager's strand.
class order_desk {
public:
    order_desk(const manager_context&, account_keeper&, clock_guard&, order_limits&, std::shared_ptr<worker>, issuer);

    /// What the attempts at one certificate have taught so far.
    class course {
    public:
        friend class order_desk;

    private:
        issuer::lessons learned_;
        std::shared_ptr<acme::client> client_;  ///< of the last
        bool registered_again_ = false;
    };

    struct fulfilled {
        certificate_ptr certificate;
        order_kind kind;  ///< of the order that it came from
    };
    /// Under the lease of `key`. `so_far` must outlive it.
    asio::awaitable<fulfilled> place(std::string key, std::vector<identifier> names, key_type with, course& so_far);
    /// Whether another attempt makes sense after `place` threw this. It pays the limiters like the first.
    bool tries_again(course& so_far, std::exception_ptr thrown);
    /// Under the lease of `key`: its order came to its end. Throws nothing but cancellation. A store that fails keeps the
    /// record, and the next attempt finds out that it is over.
    asio::awaitable<void> drop_pending(std::string key);

    /// What the next attempt would be.
    order_kind kind_of(const std::string& key, const std::vector<identifier>& names) const;

    /// So many failures in a row, and the order does not say any more what it replaces.
    static constexpr int replaces_failures_max = 3;

private:
    asio::awaitable<std::optional<fulfilled>> resume_pending(
        std::string key, std::vector<identifier> names, std::shared_ptr<acme::client>);
    asio::awaitable<void> save_pending(std::string key, std::string order_url, private_key, bool replaces);
    std::string replaces(const std::string& key) const;
    void note_not_replaceable(const std::string& key, const held_ptr& refused);

    const manager_context& context_;
    account_keeper& accounts_;
    clock_guard& clock_;
    order_limits& limits_;
    std::shared_ptr<worker> worker_;
    issuer issuer_;
};

}  // namespace evercert
