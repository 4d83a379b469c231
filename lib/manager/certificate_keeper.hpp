#pragma once

#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/certificate.hpp>
#include <evercert/manager_options.hpp>

#include "base/log.hpp"
#include "base/rate_limiter.hpp"
#include "base/semaphore.hpp"
#include "base/single_flight.hpp"
#include "base/task_group.hpp"
#include "issuance/issuer.hpp"
#include "lookup/certificate_index.hpp"
#include "manager/account_keeper.hpp"
#include "manager/failure_memory.hpp"
#include "manager/state.hpp"
#include "manager/vault.hpp"
#include "renewal/renewal_queue.hpp"

namespace evercert {

/// Gets certificates and keeps them fresh: steps 4 to 9 of the way of a handshake. Thread-bound to the manager's
/// strand.
class certificate_keeper {
public:
    certificate_keeper(
        asio::any_io_executor, task_group&, const manager_options&, state&, vault&, certificate_index&, account_keeper&,
        issuer, logger);

    /// For the application: waits for the limiters as long as it takes, and asks the CA even if it failed a moment ago.
    asio::awaitable<certificate_ptr> obtain(std::vector<identifier> names);
    /// For a TLS client: is the name admitted, did it fail lately, does a limiter have it wait too long? Then
    /// refused at once.
    asio::awaitable<certificate_ptr> obtain_for_handshake(identifier name);
    /// The same without a client who waits for it: errors go to the log.
    asio::awaitable<void> obtain_in_background(identifier name);

    /// Renew what is due, until cancelled.
    asio::awaitable<void> renew();
    /// The state was replaced: publish what it has (any thread), plan what it has.
    void publish_all();
    void plan_all();
    void restore_limits();
    void hosts_changed();

private:
    enum class purpose { application, handshake, renewal };

    asio::awaitable<certificate_ptr> join(std::vector<identifier> names, purpose);
    asio::awaitable<certificate_ptr> fly(std::vector<identifier> names, purpose);
    asio::awaitable<certificate_ptr> fetch(std::vector<identifier> names, purpose);
    asio::awaitable<certificate_ptr> load(std::vector<identifier> names);
    asio::awaitable<certificate_ptr> load_or_order(std::vector<identifier> names, purpose, lease);
    asio::awaitable<certificate_ptr> order(std::vector<identifier> names, purpose);
    asio::awaitable<certificate_ptr> order_once(std::vector<identifier> names, issuer::lessons& learned);
    asio::awaitable<void> pass_new_host_limit(purpose);
    asio::awaitable<void> pass_order_limit(purpose);
    asio::awaitable<void> load_limits();
    asio::awaitable<void> renew_one(std::string key);
    void plan_retry(const std::string& key, const certificate_record&, std::exception_ptr);
    void publish(const std::string& key, const certificate_record&);
    void plan(const std::string& key, const certificate_record&);
    void remember_failure(const std::vector<identifier>& names, std::exception_ptr);
    void limits_changed();
    duration longest_wait(purpose) const;

    const manager_options& options_;
    state& state_;
    vault& vault_;
    certificate_index& index_;
    account_keeper& accounts_;
    issuer issuer_;
    logger log_;
    task_group& tasks_;
    rate_limiter orders_;
    rate_limiter new_hosts_;
    semaphore in_progress_;
    single_flight<std::string, certificate_ptr> flights_;
    failure_memory failures_;
    renewal_queue renewals_;
    event replanned_;
    std::map<std::string, int> renewal_failures_;
    bool limits_loaded_ = false;
};

}  // namespace evercert
