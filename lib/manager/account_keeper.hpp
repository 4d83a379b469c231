#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <asio/awaitable.hpp>

#include <evercert/acme/client.hpp>

#include "base/single_flight.hpp"
#include "base/worker.hpp"
#include "manager/context.hpp"

namespace evercert {

/// The account at the CA: made at first need, kept in the state, made again with the same key if the CA forgot it.
/// Thread-bound to the manager's strand.
class account_keeper {
public:
    using client_ptr = std::shared_ptr<acme::client>;

    account_keeper(const manager_context&, std::shared_ptr<worker>);

    /// A client whose account the CA has. Registers if there is none yet; concurrent callers share that.
    asio::awaitable<client_ptr> client();

    /// The account that the store has, if there is none in memory: asks nobody.
    asio::awaitable<void> restore();

    /// A client for what needs no account: it registers nothing.
    client_ptr reader() { return reader(context_.options.directory_url); }
    /// The same for another CA, which issued certificates that are still there.
    client_ptr reader(const std::string& directory_url);
    /// Of so many CAs. A store that names more has each of them looked up anew.
    static constexpr std::size_t readers_max = 8;

    /// `manager::register_account`.
    asio::awaitable<void> register_account(std::string email);

    /// The CA does not know the account of this client any more: the next `client()` registers its key again, unless somebody
    /// has done so since.
    void forget(const client_ptr& used);
    /// The state was replaced from outside. Steps in progress go on with the client they have.
    void reload() { client_.reset(); }

    /// A registration takes seconds. After a crash a store without a kernel's locks keeps the others waiting for so long.
    static constexpr std::chrono::minutes registration_lease{5};

private:
    asio::awaitable<client_ptr> open(std::string email);
    asio::awaitable<void> agree(client_ptr);
    asio::awaitable<std::optional<account_record>> load();
    asio::awaitable<std::optional<account_record>> find();
    asio::awaitable<client_ptr> find_or_register(std::string email, vault_lease);
    asio::awaitable<client_ptr> register_key(account_record, vault_lease);
    client_ptr use(const account_record&);
    /// Pays for a new account; throws `errc::rate_limited` if the CA's limits forbid it.
    void check_ledger();
    acme::client_options client_options(const std::string& directory_url) const;

    const manager_context& context_;
    std::shared_ptr<worker> worker_;
    single_flight<std::string, client_ptr> flight_;
    client_ptr client_;
    std::map<std::string, client_ptr> readers_;
};

}  // namespace evercert
