#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <evercert/ca_limits.hpp>
#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>

#include "ledger/failure_book.hpp"
#include "ledger/ledger.hpp"
#include "manager/records.hpp"
#include "renewal/clock_check.hpp"
#include "store/document.hpp"

namespace evercert {

/// A certificate on its way.
struct flight_status {
    steady_time since = {};
    /// Our own limits hold it up, and until then as far as is known.
    std::optional<steady_time> held_up_until = {};
};

/// All that the manager must not forget, in memory. Thread-safe.
class state {
public:
    struct bounds {
        ca_limits limits = {};
        retry_options retry = {};
        std::size_t failures_max = 10'000;
    };

    explicit state(std::string directory_url) : state{std::move(directory_url), bounds{}} {}
    state(std::string directory_url, const bounds&);

    /// Everything as items, for `marshal()`; and back. `replace` throws and changes nothing if an item is damaged.
    /// Items that it does not know (another CA's account) are kept.
    state_items items() const;
    void replace(const state_items&, wall_time now);
    std::optional<boost::json::object> item(const std::string& key) const;

    std::optional<account_record> account() const;
    void set_account(account_record);
    host_policy hosts() const;
    void set_hosts(host_policy);
    /// What a store has: the application's own choice goes before it.
    void restore_hosts(host_policy);
    bool admits(const identifier&) const;
    /// By name, not because any is admitted.
    bool lists(const identifier&) const;
    limits_record limits() const;
    void set_limits(limits_record);

    std::optional<certificate_record> certificate(const std::string& key) const;
    std::vector<std::string> certificate_keys() const;
    void set_certificate(const std::string& key, certificate_record);
    void forget_certificate(const std::string& key);
    /// The newest start of a certificate's validity, with its key: time has been there.
    std::pair<wall_time, std::string> newest() const;

    /// Under the order's own key: `pending_key()`.
    std::optional<pending_order> pending(const std::string& key) const;
    void set_pending(const std::string& key, pending_order);
    void forget_pending(const std::string& key);

    /// What is on its way, for those who look from outside.
    void set_flight(const std::string& certificate_key, const flight_status&);
    void forget_flight(const std::string& certificate_key);
    std::optional<flight_status> flight(const std::string& certificate_key) const;
    bool in_progress(const std::string& certificate_key) const { return flight(certificate_key).has_value(); }

    /// Failures and the ledger, under the lock. The functions must not call back.
    template <typename Function>
    auto with_failures(Function function) {
        const std::lock_guard lock{mutex_};
        return function(failures_);
    }
    template <typename Function>
    auto with_failures(Function function) const {
        const std::lock_guard lock{mutex_};
        return function(failures_);
    }
    template <typename Function>
    auto with_ledger(Function function) {
        const std::lock_guard lock{mutex_};
        return function(ledger_);
    }
    template <typename Function>
    auto with_ledger(Function function) const {
        const std::lock_guard lock{mutex_};
        return function(ledger_);
    }

    /// Read what belongs to the failures or the ledger. Returns how many entries were left out for damage.
    int read_memory(const std::string& key, const boost::json::object&, wall_time now);
    /// Every process that uses the store counts in these: failures, the ledger and the limits.
    bool is_shared(const std::string& key) const;
    /// Before such an item is saved: take what others have saved since into what is here; see `failure_book::merge` and `ledger::merge`, which `token`
    /// is for. Throws and changes nothing if it is damaged as a whole; returns how many entries were left out for damage.
    int merge(
        const std::string& key, const std::optional<boost::json::object>& stored, std::uint64_t token, wall_time now);
    /// What was merged last is in the store.
    void saved(const std::string& key);
    /// From now on it is another store.
    void store_changed();
    /// The store keys of both and of the limits, these first: they say when the state was written.
    std::vector<std::string> memory_keys() const;

    /// What failures and the ledger are counted by: see `evercert::counted_time`.
    wall_time counted_time(const clock_look& now, duration tolerance) const;
    /// The clock is right. `stepped`: it was not the same as before, or nobody knew.
    void believe(const clock_look& now, bool stepped);
    /// The keys of the certificates that were asked for with this name, alone or among others.
    std::set<std::string> certificates_with(const identifier& name) const;
    /// The key of the record that has this certificate.
    std::optional<std::string> key_of(const held_ptr&) const;

private:
    struct contents;
    using certificate_map = std::map<std::string, certificate_record>;
    void index(certificate_map::const_iterator);
    void drop_from_index(certificate_map::const_iterator);
    void count_for_account();
    wall_time time_to_read_by(wall_time written, wall_time now) const;

    std::string directory_url_;
    bounds bounds_;
    mutable std::mutex mutex_;
    std::optional<account_record> account_;
    host_policy hosts_;
    limits_record limits_;
    certificate_map certificates_;
    /// Those that are kept under another key than that of their own names.
    std::unordered_map<const held_certificate*, certificate_map::const_iterator> by_held_;
    /// Those whose keys do not say their names, by each of these.
    std::unordered_map<std::string, std::set<std::string>> by_name_;
    std::map<std::string, pending_order> pending_;
    std::map<std::string, flight_status> flights_;
    std::pair<wall_time, std::string> newest_;
    failure_book failures_;
    ledger ledger_;
    std::optional<clock_look> believed_;
    state_items unknown_;
};

}  // namespace evercert
