#include "manager/state.hpp"

#include <algorithm>

#include <evercert/error.hpp>

namespace evercert {

bool host_policy::admits(const identifier& name) const {
    return any || std::find(names.begin(), names.end(), name) != names.end();
}

state_items state::items() const {
    const std::lock_guard lock{mutex_};
    auto items = unknown_;
    if (account_)
        items[account_key(account_->directory_url)] = to_json(*account_);
    items[std::string{hosts_key}] = to_json(hosts_);
    items[std::string{limits_key}] = to_json(limits_);
    for (const auto& [key, record] : certificates_)
        items[key] = to_json(record);
    return items;
}

std::optional<boost::json::object> state::item(const std::string& key) const {
    const std::lock_guard lock{mutex_};
    std::optional<boost::json::object> found;
    if (const auto record = certificates_.find(key); record != certificates_.end())
        found = to_json(record->second);
    else if (account_ && key == account_key(account_->directory_url))
        found = to_json(*account_);
    else if (key == hosts_key)
        found = to_json(hosts_);
    else if (key == limits_key)
        found = to_json(limits_);
    else if (const auto unknown = unknown_.find(key); unknown != unknown_.end())
        found = unknown->second;
    return found;
}

void state::replace(const state_items& items) {
    std::optional<account_record> account;
    host_policy hosts;
    limits_record limits;
    std::map<std::string, certificate_record> certificates;
    state_items unknown;
    const auto own_account = account_key(directory_url_);
    for (const auto& [key, value] : items) {
        try {
            if (key == own_account)
                account = read_account(value);
            else if (key == hosts_key)
                hosts = read_hosts(value);
            else if (key == limits_key)
                limits = read_limits(value);
            else if (key.starts_with("certificates/"))
                certificates.emplace(key, read_certificate(value));
            else
                unknown.emplace(key, value);
        } catch (const error& e) {
            throw error{errc::state_damaged, "the item " + quoted(key) + " is damaged: " + e.what()};
        }
    }
    if (account && account->directory_url != directory_url_) {
        unknown.emplace(own_account, to_json(*account));
        account.reset();
    }
    const std::lock_guard lock{mutex_};
    account_ = std::move(account);
    hosts_ = std::move(hosts);
    limits_ = limits;
    certificates_ = std::move(certificates);
    unknown_ = std::move(unknown);
}

std::optional<account_record> state::account() const {
    const std::lock_guard lock{mutex_};
    return account_;
}

void state::set_account(account_record account) {
    const std::lock_guard lock{mutex_};
    account_ = std::move(account);
}

host_policy state::hosts() const {
    const std::lock_guard lock{mutex_};
    return hosts_;
}

void state::set_hosts(host_policy hosts) {
    const std::lock_guard lock{mutex_};
    hosts_ = std::move(hosts);
}

bool state::admits(const identifier& name) const {
    const std::lock_guard lock{mutex_};
    return hosts_.admits(name);
}

limits_record state::limits() const {
    const std::lock_guard lock{mutex_};
    return limits_;
}

void state::set_limits(limits_record limits) {
    const std::lock_guard lock{mutex_};
    limits_ = limits;
}

std::optional<certificate_record> state::certificate(const std::string& key) const {
    const std::lock_guard lock{mutex_};
    std::optional<certificate_record> record;
    if (const auto at = certificates_.find(key); at != certificates_.end())
        record = at->second;
    return record;
}

std::map<std::string, certificate_record> state::certificates() const {
    const std::lock_guard lock{mutex_};
    return certificates_;
}

void state::set_certificate(const std::string& key, certificate_record record) {
    const std::lock_guard lock{mutex_};
    certificates_.insert_or_assign(key, std::move(record));
}

}  // namespace evercert
