#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/certificate.hpp>

#include "lookup/certificate_index.hpp"
#include "manager/context.hpp"
#include "manager/renewal_plan.hpp"
#include "manager/trial.hpp"

namespace evercert {

/// The certificates that there are: from the store into memory and into handshakes, and back. Thread-bound to the
/// manager's strand but for what says otherwise.
class certificate_shelf {
public:
    certificate_shelf(const manager_context&, certificate_index&, renewal_plan&, trials&);

    /// A certificate that `names` can be served with, if the store or memory has one; null if there is none. What the store
    /// has is published if it ends later. `later`: only one that came into the store since.
    asio::awaitable<certificate_ptr> load(std::string key, std::vector<identifier> names, bool later);
    /// After a restart the CA is asked for renewal information of all certificates within this time.
    static constexpr std::chrono::hours polls_spread{1};
    /// Everything that the store has, into memory: as DER, a certificate at a time, while handshakes go on.
    asio::awaitable<void> load_each();

    /// Step 9: save what was obtained under the lease `held`, then publish it. If the lease was lost and another process has
    /// a later one by now, that is published and returned instead.
    asio::awaitable<certificate_ptr> keep(std::string key, certificate_record fresh, vault_lease held);
    /// Clients cannot use `fresh`: serve the one before again.
    void roll_back(const certificate_ptr& fresh);

    /// What ended long ago, unless another process has renewed it.
    asio::awaitable<void> forget(std::string key);
    /// For one look and one removal.
    static constexpr std::chrono::seconds forget_lease{60};
    /// What memory had turned out to be damaged: it is obtained again at first need. From any thread.
    void drop_damaged(const held_ptr&, const error& why);
    /// Serve what the state has, and nothing else. From any thread.
    void publish_all();

    /// The key, among the failures, of the rollbacks in a row.
    static std::string trial_key(const std::string& certificate_key) { return "trial/" + certificate_key; }

private:
    asio::awaitable<std::optional<certificate_record>> stored(std::string key);
    asio::awaitable<void> load_one(std::string key);
    asio::awaitable<void> move_to(std::string to, std::string from);
    certificate_ptr take_loaded(const std::string& key, const std::vector<identifier>& names, certificate_record);
    void publish(const std::string& key, certificate_record, event_type);
    asio::awaitable<bool> remove_unless_renewed(std::string key, certificate_record gone);
    asio::awaitable<void> remove(std::string key, certificate_record gone);

    const manager_context& context_;
    certificate_index& index_;
    renewal_plan& plan_;
    trials& trials_;
};

}  // namespace evercert
