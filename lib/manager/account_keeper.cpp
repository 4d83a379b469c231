#include "manager/account_keeper.hpp"

#include <evercert/error.hpp>

#include "issuance/make_key.hpp"

namespace evercert {

account_keeper::account_keeper(
    asio::any_io_executor executor, task_group& tasks, const manager_options& options, state& all, vault& safe,
    std::shared_ptr<worker> blocking, logger log)
    : options_{options},
      state_{all},
      vault_{safe},
      worker_{std::move(blocking)},
      log_{std::move(log)},
      flight_{std::move(executor), tasks, {options.waiters_max, options.waiters_max}} {}

acme::client_options account_keeper::client_options() const {
    auto options = options_.acme_limits;
    options.directory_url = options_.directory_url;
    options.http = options_.http;
    options.log = options_.log;
    options.clock = options_.clock;
    options.network = options_.network;
    return options;
}

asio::awaitable<account_keeper::client_ptr> account_keeper::client() {
    if (client_)
        co_return client_;
    auto start = [this] { return open(options_.email); };
    co_return co_await flight_.run("account", start);
}

asio::awaitable<void> account_keeper::register_account(std::string email) {
    if (client_)
        throw error{
            errc::already_registered, "already registered: the manager has an account at " + options_.directory_url};
    const auto known = state_.account();
    if (known && !known->url.empty())
        throw error{errc::already_registered, "already registered: the manager has the account " + quoted(known->url)};
    auto start = [this, email] { return open(email); };
    co_await flight_.run("account", start);
}

void account_keeper::forget() {
    if (auto known = state_.account()) {
        known->url.clear();
        state_.set_account(std::move(*known));
    }
    client_.reset();
}

asio::awaitable<account_record> account_keeper::find_or_make(std::string email) {
    if (auto known = state_.account()) {
        // A key without an account yet, such as that of a state from elsewhere: who asks now says whose it will be.
        if (known->url.empty() && !email.empty())
            known->email = std::move(email);
        co_return std::move(*known);
    }
    const auto stored = co_await vault_.load(account_key(options_.directory_url));
    if (stored) {
        auto known = read_account(*stored);
        if (known.directory_url == options_.directory_url)
            co_return known;
    }
    auto key = co_await make_key(worker_, options_.account_key);
    co_return account_record{options_.directory_url, std::move(email), "", std::move(key)};
}

asio::awaitable<account_keeper::client_ptr> account_keeper::open(std::string email) {
    auto account = co_await find_or_make(std::move(email));
    if (!account.url.empty()) {
        auto known = std::make_shared<acme::client>(account.key, account.url, client_options());
        state_.set_account(std::move(account));
        client_ = known;
        co_return known;
    }
    auto made = std::make_shared<acme::client>(account.key, client_options());
    co_await agree(made);
    std::vector<std::string> contact;
    if (!account.email.empty())
        contact.push_back("mailto:" + account.email);
    const auto answered = co_await made->new_account(std::move(contact), true);
    log_(log_level::info, "account: {}", answered.url);
    account.url = answered.url;
    auto saved = to_json(account);
    state_.set_account(std::move(account));
    co_await vault_.save(account_key(options_.directory_url), std::move(saved), lease{});
    client_ = made;
    co_return made;
}

asio::awaitable<void> account_keeper::agree(client_ptr client) {
    const auto directory = co_await client->directory();
    log_(log_level::info, "directory: {}", options_.directory_url);
    if (directory.external_account_required)
        throw error{
            errc::invalid_options,
            options_.directory_url +
                " asks for an external account binding, which evercert cannot give yet: use another CA"};
    if (directory.terms_of_service && options_.terms_prompt && !options_.terms_prompt(*directory.terms_of_service))
        throw error{errc::terms_not_agreed, "did not agree to the terms at " + quoted(*directory.terms_of_service)};
}

}  // namespace evercert
