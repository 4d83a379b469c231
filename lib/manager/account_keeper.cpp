#include "manager/account_keeper.hpp"

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "issuance/make_key.hpp"

namespace evercert {

account_keeper::account_keeper(const manager_context& context, std::shared_ptr<worker> blocking)
    : context_{context},
      worker_{std::move(blocking)},
      flight_{context.strand, context.tasks, {context.options.waiters_max, context.options.waiters_max}} {}

acme::client_options account_keeper::client_options(const std::string& directory_url) const {
    auto options = context_.options.acme_limits;
    options.directory_url = directory_url;
    options.http = context_.options.http;
    options.log = context_.options.log;
    options.clock = context_.options.clock;
    options.network = context_.options.network;
    return options;
}

asio::awaitable<account_keeper::client_ptr> account_keeper::client() {
    if (client_)
        co_return client_;
    auto start = [this] { return open(context_.options.email); };
    co_return co_await flight_.run("account", start);
}

account_keeper::client_ptr account_keeper::reader(const std::string& directory_url) {
    if (client_ && directory_url == context_.options.directory_url)
        return client_;
    if (const auto known = readers_.find(directory_url); known != readers_.end())
        return known->second;
    if (readers_.size() >= readers_max)
        readers_.clear();
    auto made = std::make_shared<acme::client>(private_key::generate(), client_options(directory_url));
    return readers_.emplace(directory_url, std::move(made)).first->second;
}

asio::awaitable<void> account_keeper::register_account(std::string email) {
    if (client_)
        throw error{
            errc::already_registered,
            "already registered: the manager has an account at " + context_.options.directory_url};
    const auto known = context_.all.account();
    if (known && !known->url.empty())
        throw error{errc::already_registered, "already registered: the manager has the account " + quoted(known->url)};
    auto start = [this, email] { return open(email); };
    co_await flight_.run("account", start);
}

void account_keeper::forget(const client_ptr& used) {
    if (client_ != used)
        return;
    if (auto known = context_.all.account()) {
        known->url.clear();
        context_.all.set_account(std::move(*known));
    }
    client_.reset();
}

asio::awaitable<std::optional<account_record>> account_keeper::load() {
    std::optional<account_record> known;
    const auto stored = co_await context_.safe.load(account_key(context_.options.directory_url));
    if (stored)
        known = read_account(*stored);
    if (known && known->directory_url != context_.options.directory_url)
        known.reset();
    co_return known;
}

asio::awaitable<void> account_keeper::restore() {
    if (context_.all.account())
        co_return;
    auto stored = co_await as_outcome(load());
    if (stored.thrown)
        context_.log(log_level::error, "the account in the store is damaged: {}", describe(stored.thrown).text);
    else if (*stored.value && !context_.all.account())
        context_.all.set_account(std::move(**stored.value));
}

asio::awaitable<std::optional<account_record>> account_keeper::find() {
    auto known = context_.all.account();
    if (!known)
        known = co_await load();
    co_return known;
}

asio::awaitable<account_keeper::client_ptr> account_keeper::open(std::string email) {
    const auto known = co_await find();
    if (known && !known->url.empty())
        co_return use(*known);
    // One process registers; the others find what it saved.
    auto held = co_await context_.safe.lock(account_key(context_.options.directory_url), registration_lease);
    auto work = find_or_register(std::move(email), held);
    co_return co_await context_.safe.unlock_after(std::move(held), std::move(work));
}

account_keeper::client_ptr account_keeper::use(const account_record& known) {
    client_ = std::make_shared<acme::client>(known.key, known.url, client_options(context_.options.directory_url));
    context_.all.set_account(known);
    return client_;
}

asio::awaitable<account_keeper::client_ptr> account_keeper::find_or_register(std::string email, vault_lease held) {
    auto account = co_await find();
    if (account && !account->url.empty())
        co_return use(*account);
    if (!account) {
        auto key = co_await make_key(worker_, context_.options.account_key);
        account = account_record{context_.options.directory_url, "", "", std::move(key)};
    }
    // A key without an account yet, such as that of a state from elsewhere: who asks now says whose it will be.
    if (!email.empty())
        account->email = std::move(email);
    co_return co_await register_key(std::move(*account), std::move(held));
}

asio::awaitable<account_keeper::client_ptr> account_keeper::register_key(account_record account, vault_lease held) {
    auto made = std::make_shared<acme::client>(account.key, client_options(context_.options.directory_url));
    co_await agree(made);
    std::vector<std::string> contact;
    if (!account.email.empty())
        contact.push_back("mailto:" + account.email);
    check_ledger();
    // Before it is sent: if the answer is lost, the same key finds the account (RFC 8555, section 7.3.1).
    const auto at = account_key(context_.options.directory_url);
    context_.all.set_account(account);
    co_await context_.safe.save(at, held);
    const auto answered = co_await made->new_account(std::move(contact), true);
    context_.log(log_level::info, "account: {}", answered.url);
    account.url = answered.url;
    context_.tell(event_type::registered, {}, [&](manager_event& event) { event.text = answered.url; });
    context_.all.set_account(std::move(account));
    co_await context_.safe.save(at, std::move(held));
    client_ = made;
    co_return made;
}

void account_keeper::check_ledger() {
    const auto now = context_.counted_time();
    const auto verdict = context_.all.with_ledger([&](ledger& book) {
        auto judged = book.can_register(now);
        if (judged.now)
            book.account_created(now);
        return judged;
    });
    if (!verdict.now)
        throw error{
            errc::rate_limited, "the CA's limits forbid a new account now: " + verdict.because,
            std::chrono::ceil<std::chrono::seconds>(verdict.not_before - now)};
}

asio::awaitable<void> account_keeper::agree(client_ptr client) {
    const auto directory = co_await client->directory();
    context_.log(log_level::info, "directory: {}", context_.options.directory_url);
    if (directory.external_account_required)
        throw error{
            errc::invalid_options,
            context_.options.directory_url +
                " asks for an external account binding, which evercert cannot give yet: use another CA"};
    if (directory.terms_of_service && context_.options.terms_prompt &&
        !context_.options.terms_prompt(*directory.terms_of_service))
        throw error{errc::terms_not_agreed, "did not agree to the terms at " + quoted(*directory.terms_of_service)};
}

}  // namespace evercert
