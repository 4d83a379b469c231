#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/certificate.hpp>

#include "base/semaphore.hpp"
#include "base/single_flight.hpp"
#include "base/worker.hpp"
#include "issuance/issuer.hpp"
#include "lookup/certificate_index.hpp"
#include "manager/account_keeper.hpp"
#include "manager/admission_desk.hpp"
#include "manager/clock_guard.hpp"
#include "manager/context.hpp"
#include "manager/order_limits.hpp"
#include "manager/renewal_plan.hpp"
#include "manager/trial.hpp"

namespace evercert {

/// Gets certificates: steps 4 to 9 of the way of a handshake, which a renewal enters at 6. Thread-bound to the manager's
/// strand.
class certificate_keeper {
public:
    certificate_keeper(
        const manager_context&, certificate_index&, account_keeper&, clock_guard&, order_limits&, renewal_plan&,
        trials&, std::shared_ptr<worker>, issuer);

    /// For the application: waits for the limiters as long as it takes, and asks the CA even if it failed a moment ago,
    /// unless the CA said when.
    asio::awaitable<certificate_ptr> obtain(std::vector<identifier> names);
    /// For a TLS client: is the name admitted, did it fail lately, does a limiter have it wait too long? Then
    /// refused at once.
    asio::awaitable<certificate_ptr> obtain_for_handshake(identifier name);
    /// The same without a client who waits for it: errors go to the log.
    asio::awaitable<void> obtain_in_background(identifier name);
    /// When it is due. Whatever it comes to is planned, remembered and told.
    asio::awaitable<void> renew(std::string key);

    /// After a restart the CA is asked for renewal information of all certificates within this time.
    static constexpr std::chrono::hours polls_spread{1};
    /// Everything that the store has, into memory: as DER, a certificate at a time, while handshakes go on. Once a store.
    asio::awaitable<void> load_all();
    /// A certificate that ended long ago, or that nobody can use.
    asio::awaitable<void> forget(std::string key);
    /// Clients cannot use `fresh`: serve the one before again.
    void roll_back(const certificate_ptr& fresh);

    /// Publish what the state has. From any thread.
    void publish_all();
    /// As far as it is known without asking the application. From any thread.
    bool is_refused(const identifier& name) const { return admissions_.known(name) == admission_desk::answer::no; }
    /// Failures, ledger and limits are in memory.
    void memory_is_there();
    /// The application changed its mind about `name`, or mended what failed.
    void forget_failures(const identifier& name);
    /// What memory had turned out to be damaged, and the index dropped it: it is obtained again at first need. From
    /// any thread.
    void drop_damaged(const held_ptr&, const error& why);
    order_kind kind_of(const std::vector<identifier>& names) const;

    /// So many failures in a row, and the order does not say any more what it replaces.
    static constexpr int replaces_failures_max = 3;
    /// For one look and one removal.
    static constexpr std::chrono::seconds forget_lease{60};

private:
    enum class purpose { application, handshake, renewal };

    /// A certificate that is on its way: what it is for, and under which key it is kept.
    class job {
    public:
        job(std::vector<identifier> names, purpose why)
            : key{certificate_key(names)}, names{std::move(names)}, why{why} {}
        job(std::string key, std::vector<identifier> names, purpose why)
            : key{std::move(key)}, names{std::move(names)}, why{why} {}

        std::string key;
        std::vector<identifier> names;
        purpose why;
    };

    asio::awaitable<certificate_ptr> join(job);
    asio::awaitable<certificate_ptr> fly(job);
    asio::awaitable<certificate_ptr> fetch(job);
    asio::awaitable<certificate_ptr> attempt(job);
    asio::awaitable<certificate_ptr> load(const job&);
    asio::awaitable<certificate_ptr> order(job);
    asio::awaitable<certificate_ptr> order_once(job, issuer::lessons&);
    asio::awaitable<certificate_ptr> resume_pending(job, std::shared_ptr<acme::client>);
    asio::awaitable<void> save_pending(std::string key, std::string order_url, private_key);
    asio::awaitable<certificate_ptr> load_or_order(job, vault_lease);
    asio::awaitable<void> load_each();
    asio::awaitable<certificate_ptr> remove_unless_renewed(job, certificate_record);
    asio::awaitable<void> remove(std::string key, certificate_record);
    asio::awaitable<void> restore_memory();
    asio::awaitable<bool> read_memory();
    certificate_record make_record(const job&, const certificate_ptr&) const;
    void publish(const std::string& key, certificate_record, event_type);
    void try_out(
        const std::string& key, const std::optional<certificate_record>& before, const certificate_record& now);
    void drop_pending(const std::string& certificate_key);
    void remember_failure(const job&, std::exception_ptr);
    void refuse_failed(const job&) const;
    std::string replaces(const job&) const;
    order_kind kind_of(const job&) const;

    const manager_context& context_;
    certificate_index& index_;
    account_keeper& accounts_;
    clock_guard& clock_;
    order_limits& limits_;
    renewal_plan& plan_;
    trials& trials_;
    std::shared_ptr<worker> worker_;
    issuer issuer_;
    admission_desk admissions_;
    semaphore in_progress_;
    single_flight<std::string, certificate_ptr> flights_;
    single_flight<std::string, bool> restoring_;
    bool restored_ = false;
};

}  // namespace evercert
