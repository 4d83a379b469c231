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
#include "manager/account_keeper.hpp"
#include "manager/admission_desk.hpp"
#include "manager/certificate_shelf.hpp"
#include "manager/clock_guard.hpp"
#include "manager/context.hpp"
#include "manager/order_desk.hpp"
#include "manager/order_limits.hpp"
#include "manager/renewal_plan.hpp"

namespace evercert {

/// Gets certificates: steps 4 to 9 of the way of a handshake, which a renewal enters at 6. Decides on who may, when and how
/// often; `order_desk` orders, `certificate_shelf` keeps. Thread-bound to the manager's
/// strand.
class certificate_keeper {
public:
    certificate_keeper(
        const manager_context&, certificate_shelf&, order_desk&, account_keeper&, clock_guard&, order_limits&,
        renewal_plan&);

    /// For the application: waits for the limiters as long as it takes, and asks the CA even if it failed a moment ago,
    /// unless the CA said when.
    asio::awaitable<certificate_ptr> obtain(std::vector<identifier> names, key_kind);
    /// For a TLS client: are the names admitted, did they fail lately, does a limiter have it wait too long? Then
    /// refused at once.
    asio::awaitable<certificate_ptr> obtain_for_handshake(std::vector<identifier> names, key_kind);
    /// The same without a client who waits for it: errors go to the log.
    asio::awaitable<void> obtain_in_background(std::vector<identifier> names, key_kind);
    /// The application asks for a name, if it has to be asked. Throws as `admission_desk::admit` does.
    asio::awaitable<void> admit(identifier name) { return admissions_.admit(std::move(name)); }
    /// When it is due. Whatever it comes to is planned, remembered and told. `turn` ends when it has passed the limits.
    asio::awaitable<void> renew(std::string key, semaphore::permit turn);

    /// Everything that the store has, into memory: as DER, a certificate at a time, while handshakes go on. Once a store.
    asio::awaitable<void> load_all();
    /// As far as it is known without asking the application. From any thread.
    bool is_refused(const identifier& name) const { return admissions_.known(name) == admission_desk::answer::no; }
    error refusal(const identifier& name) const { return admissions_.refusal(name); }
    bool is_admitted(const identifier& name) const { return admissions_.known(name) == admission_desk::answer::yes; }
    /// Failures, ledger and limits are in memory.
    void memory_is_there();
    /// The application changed its mind about `name`, or mended what failed.
    void forget_failures(const identifier& name);
    order_kind kind_of(const std::string& key, const std::vector<identifier>& names) const {
        return orders_.kind_of(key, names);
    }

    /// After a renewal that nobody remembers as a failure, such as one that joined a handshake's flight.
    static constexpr std::chrono::minutes unremembered_wait{1};

private:
    enum class purpose { application, handshake, renewal };

    /// A certificate that is on its way: what it is for, and under which key it is kept.
    class job {
    public:
        job(std::vector<identifier> names, key_kind kind, purpose why)
            : key{certificate_key(names, kind)}, names{std::move(names)}, why{why} {}
        job(std::string key, std::vector<identifier> names, purpose why)
            : key{std::move(key)}, names{std::move(names)}, why{why} {}

        std::string key;
        std::vector<identifier> names;
        purpose why;
        std::shared_ptr<semaphore::permit> turn = {};  ///< of renewals, to wait for the limits
    };

    asio::awaitable<certificate_ptr> join(job);
    asio::awaitable<certificate_ptr> fly(job);
    asio::awaitable<certificate_ptr> fetch(job);
    asio::awaitable<void> pass_limits(job, attempt_of_flight);
    asio::awaitable<certificate_ptr> attempts(job);
    asio::awaitable<certificate_ptr> attempt(job, order_desk::course&);
    asio::awaitable<certificate_ptr> load_or_order(job, vault_lease, order_desk::course&);
    asio::awaitable<void> restore_and_load();
    asio::awaitable<void> restore_memory();
    asio::awaitable<bool> read_memory();
    std::exception_ptr why_unusable(const certificate_ptr&, const identifier&) const;
    certificate_record make_record(const job&, const certificate_ptr&) const;
    key_type type_of(const job&) const;
    void remember_failure(const job&, std::exception_ptr);
    bool is_refused(const job&) const;
    void refuse_failed(const job&) const;
    asio::awaitable<certificate_ptr> join_for_handshake(job);
    void refuse_held_up(const job&) const;
    void tell_held_up(const job&, const failure&) const;
    /// How long it waits for our limits.
    duration patience(const job&) const;
    order_kind kind_of(const job& wanted) const { return kind_of(wanted.key, wanted.names); }

    const manager_context& context_;
    certificate_shelf& shelf_;
    order_desk& orders_;
    account_keeper& accounts_;
    clock_guard& clock_;
    order_limits& limits_;
    renewal_plan& plan_;
    admission_desk admissions_;
    semaphore in_progress_;
    single_flight<std::string, certificate_ptr> flights_;
    single_flight<std::string, bool> restoring_;
    bool restored_ = false;
    bool loaded_ = false;  ///< memory has all that the store had
};

}  // namespace evercert
