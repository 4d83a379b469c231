#include "manager/state.hpp"

#include <algorithm>

namespace evercert {

bool host_policy::lists(const identifier& name) const { return std::binary_search(names.begin(), names.end(), name); }

state::state(std::string directory_url, const bounds& given)
    : directory_url_{std::move(directory_url)},
      bounds_{given},
      failures_{given.failures_max, given.retry},
      ledger_{given.limits, given.failures_max} {}

void state::store_changed() {
    const std::lock_guard lock{mutex_};
    failures_.saved_nowhere();
}

std::optional<account_record> state::account() const {
    const std::lock_guard lock{mutex_};
    return account_;
}

void state::set_account(account_record account) {
    const std::lock_guard lock{mutex_};
    account_ = std::move(account);
    count_for_account();
}

void state::count_for_account() {
    if (!account_)
        return;
    const auto tag = account_tag(account_->key);
    failures_.set_account(tag);
    ledger_.set_account(tag);
}

wall_time state::time_to_read_by(wall_time written, wall_time now) const {
    const std::lock_guard lock{mutex_};
    if (believed_)
        return now;
    return evercert::counted_time(std::nullopt, written, {now, {}}, failure_book::step_back_max);
}

wall_time state::counted_time(const clock_look& now, duration tolerance) const {
    const std::lock_guard lock{mutex_};
    return evercert::counted_time(believed_, limits_.written, now, tolerance);
}

void state::believe(const clock_look& now, bool stepped) {
    const std::lock_guard lock{mutex_};
    believed_ = now;
    if (stepped)
        failures_.clock_stepped(now.wall);
}

std::set<std::string> state::certificates_with(const identifier& name) const {
    std::set<std::string> keys;
    const std::lock_guard lock{mutex_};
    if (const auto several = by_name_.find(name.value()); several != by_name_.end())
        keys = several->second;
    for (std::size_t kind = 0; kind < key_kinds; ++kind)
        if (auto alone = certificate_key({name}, static_cast<key_kind>(kind)); certificates_.contains(alone))
            keys.insert(std::move(alone));
    return keys;
}

host_policy state::hosts() const {
    const std::lock_guard lock{mutex_};
    return hosts_;
}

void state::set_hosts(host_policy hosts) {
    std::sort(hosts.names.begin(), hosts.names.end());
    const std::lock_guard lock{mutex_};
    hosts_ = std::move(hosts);
}

void state::restore_hosts(host_policy hosts) {
    const std::lock_guard lock{mutex_};
    if (!hosts_.chosen)
        hosts_ = std::move(hosts);
}

bool state::admits(const identifier& name) const {
    const std::lock_guard lock{mutex_};
    return hosts_.admits(name);
}

bool state::lists(const identifier& name) const {
    const std::lock_guard lock{mutex_};
    return hosts_.lists(name);
}

limits_record state::limits() const {
    const std::lock_guard lock{mutex_};
    return limits_;
}

void state::set_limits(limits_record limits) {
    const std::lock_guard lock{mutex_};
    limits_ = std::move(limits);
}

std::optional<certificate_record> state::certificate(const std::string& key) const {
    const std::lock_guard lock{mutex_};
    const auto at = certificates_.find(key);
    return at == certificates_.end() ? std::nullopt : std::optional{at->second};
}

std::vector<std::string> state::certificate_keys() const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> keys;
    keys.reserve(certificates_.size());
    for (const auto& [key, record] : certificates_)
        keys.push_back(key);
    return keys;
}

void state::set_certificate(const std::string& key, certificate_record record) {
    const std::lock_guard lock{mutex_};
    newest_ = std::max(newest_, {record.certificate->not_before(), key});
    if (const auto before = certificates_.find(key); before != certificates_.end())
        drop_from_index(before);
    index(certificates_.insert_or_assign(key, std::move(record)).first);
}

std::optional<std::string> state::key_of(const held_ptr& held) const {
    auto key = certificate_key(held->names(), kind_of(held->type()));
    const std::lock_guard lock{mutex_};
    if (const auto at = certificates_.find(key); at != certificates_.end() && at->second.certificate == held)
        return key;
    const auto at = by_held_.find(held.get());
    return at == by_held_.end() ? std::nullopt : std::optional{at->second->first};
}

void state::forget_certificate(const std::string& key) {
    const std::lock_guard lock{mutex_};
    const auto at = certificates_.find(key);
    if (at == certificates_.end())
        return;
    drop_from_index(at);
    certificates_.erase(at);
}

void state::index(certificate_map::const_iterator at) {
    const auto& held = at->second.certificate;
    if (at->first != certificate_key(held->names(), kind_of(held->type())))
        by_held_.insert_or_assign(held.get(), at);
    if (at->second.names().size() > 1)
        for (const auto& name : at->second.names())
            by_name_[name.value()].insert(at->first);
}

void state::drop_from_index(certificate_map::const_iterator gone) {
    const auto at = by_held_.find(gone->second.certificate.get());
    if (at != by_held_.end() && at->second == gone)
        by_held_.erase(at);
    if (gone->second.names().size() > 1)
        for (const auto& name : gone->second.names())
            if (const auto with = by_name_.find(name.value()); with != by_name_.end()) {
                with->second.erase(gone->first);
                if (with->second.empty())
                    by_name_.erase(with);
            }
}

std::pair<wall_time, std::string> state::newest() const {
    const std::lock_guard lock{mutex_};
    return newest_;
}

std::optional<pending_order> state::pending(const std::string& key) const {
    const std::lock_guard lock{mutex_};
    std::optional<pending_order> found;
    if (const auto at = pending_.find(key); at != pending_.end())
        found = at->second;
    return found;
}

void state::set_pending(const std::string& key, pending_order order) {
    const std::lock_guard lock{mutex_};
    pending_.insert_or_assign(key, std::move(order));
}

void state::forget_pending(const std::string& key) {
    const std::lock_guard lock{mutex_};
    pending_.erase(key);
}

void state::set_flight(const std::string& certificate_key, const flight_status& how) {
    const std::lock_guard lock{mutex_};
    flights_.insert_or_assign(certificate_key, how);
}

void state::forget_flight(const std::string& certificate_key) {
    const std::lock_guard lock{mutex_};
    flights_.erase(certificate_key);
}

std::optional<flight_status> state::flight(const std::string& certificate_key) const {
    const std::lock_guard lock{mutex_};
    const auto at = flights_.find(certificate_key);
    return at == flights_.end() ? std::nullopt : std::optional{at->second};
}

}  // namespace evercert
