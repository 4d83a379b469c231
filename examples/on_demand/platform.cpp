#include "platform.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>

#include <openssl/crypto.h>

namespace on_demand {

using evercert::identifier;
using evercert::request;
using evercert::response;

namespace {

// In a time that does not tell how much of it is right.
bool same_secret(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

response refusal() {
    response answer{401, "Say who you are: Authorization: Bearer TOKEN\n"};
    answer.fields.set("WWW-Authenticate", "Bearer");
    return answer;
}

}  // namespace

customers read_customers(const std::string& file, const std::string& sites) {
    std::ifstream lines{file};
    if (!lines)
        throw std::runtime_error{"cannot read " + file};
    customers all;
    std::string name;
    for (customer one; lines >> name >> one.token;) {
        if (name.find('/') != std::string::npos || name.starts_with('.'))
            throw std::runtime_error{file + ": " + name + " cannot be the name of a folder"};
        one.files = evercert::static_files(sites + "/" + name);
        all[name] = one;
    }
    return all;
}

platform::platform(customers all, domain_table_options options, identifier own_host)
    : customers_{std::move(all)}, table_{std::move(options)}, own_host_{std::move(own_host)} {}

// Where a platform asks its database: the manager waits as long as `admission_timeout` allows.
asio::awaitable<bool> platform::admits(identifier domain) { co_return !table_.owner_of(domain).empty(); }

void platform::handle_with(evercert::manager& manager) {
    manager_ = &manager;
    const auto own = own_host_.value();
    manager.handle("GET " + own + "/domains", [this](request asked) { return list(std::move(asked)); });
    manager.handle("PUT " + own + "/domains/{domain}", [this](request asked) { return claim(std::move(asked)); });
    manager.handle("DELETE " + own + "/domains/{domain}", [this](request asked) { return give_up(std::move(asked)); });
    manager.handle("/", [this](request asked) { return site(std::move(asked)); });
}

asio::awaitable<response> platform::site(request asked) {
    const auto domain = identifier::parse(asked.host);
    const auto owner = domain ? table_.owner_of(*domain) : std::string{};
    const auto found = customers_.find(owner);
    // A certificate outlives its domain's place in the table; the site does not.
    if (found == customers_.end())
        co_return response{404, "Nobody has this domain here.\n"};
    co_return co_await found->second.files(std::move(asked));
}

asio::awaitable<response> platform::list(request asked) {
    const auto customer = who(asked);
    if (customer.empty())
        co_return refusal();
    std::string text;
    for (const auto& domain : table_.domains_of(customer)) {
        const auto status = manager_->status(domain);
        text += domain.value() + " ";
        text += status ? to_string(status->state) : "nobody has come yet";
        if (status && status->problem)
            text += ": " + status->problem->text;
        text += '\n';
    }
    co_return response{text};
}

asio::awaitable<response> platform::claim(request asked) {
    const auto customer = who(asked);
    if (customer.empty())
        co_return refusal();
    const auto domain = identifier::parse(asked.path_value("domain"));
    if (!domain)
        co_return response{400, "That is no domain.\n"};
    if (*domain == own_host_ || domain->value().ends_with("." + own_host_.value()))
        co_return response{403, "That is the platform's own.\n"};
    switch (table_.add(*domain, customer)) {
    case domain_table::outcome::added: break;
    case domain_table::outcome::present: co_return response{200, "It is yours.\n"};
    case domain_table::outcome::taken: co_return response{409, "It is another customer's.\n"};
    case domain_table::outcome::full: co_return response{403, "You have as many domains as you may.\n"};
    case domain_table::outcome::not_a_domain: co_return response{400, "Name one domain.\n"};
    }
    // Somebody may have come before it was in the table, and been refused: that was right then.
    manager_->forget_failures(*domain);
    co_return response{201, "Point it here. Its certificate comes with its first visitor.\n"};
}

asio::awaitable<response> platform::give_up(request asked) {
    const auto customer = who(asked);
    if (customer.empty())
        co_return refusal();
    const auto domain = identifier::parse(asked.path_value("domain"));
    if (!domain || !table_.remove(*domain, customer))
        co_return response{404, "You do not have it.\n"};
    // The table is asked again, and says no: what there is serves to its end and is not renewed.
    manager_->forget_failures(*domain);
    co_return response{200, "It is yours no more.\n"};
}

/// The customer whose token the request has; empty if it has none.
std::string platform::who(const request& asked) const {
    constexpr std::string_view scheme = "Bearer ";
    const auto said = asked.fields.get("Authorization");
    if (!said.starts_with(scheme))
        return {};
    std::string found;
    for (const auto& [name, one] : customers_)
        if (same_secret(said.substr(scheme.size()), one.token))
            found = name;
    return found;
}

}  // namespace on_demand
