#include "manager/state.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/store.hpp>

namespace evercert {
namespace {

static_assert(ledger_shard_size_max + 2 <= store::value_max, "what is bounded can be saved");

/// The shard of a key such as "ledger/ca.test:1f2e3d4c/c"; nothing if it is no such key of this CA.
using key_of_shard = std::string (*)(std::string_view directory_url, int shard);
std::optional<int> shard_in(std::string_view key, key_of_shard key_of, std::string_view directory_url) {
    const auto slash = key.rfind('/');
    if (slash == std::string_view::npos || !key.starts_with(key_of(directory_url, 0).substr(0, slash + 1)))
        return std::nullopt;
    for (int shard = 0; shard < ledger_shards; ++shard)
        if (key == key_of(directory_url, shard))
            return shard;
    return std::nullopt;
}

/// Of a time when there was one of them for all CAs: nobody can tell which one said it.
bool is_of_no_ca(std::string_view key) {
    const auto slash = key.find('/');
    return key == "limits" ||
        (slash != std::string_view::npos && slash == key.rfind('/') &&
         (key.starts_with("failures/") || key.starts_with("ledger/")));
}

}  // namespace

bool host_policy::lists(const identifier& name) const { return std::binary_search(names.begin(), names.end(), name); }

/// A state that is being read.
struct state::contents {
    std::string_view directory_url;
    std::optional<account_record> account;
    host_policy hosts;
    limits_record limits;
    std::map<std::string, certificate_record> certificates;
    std::map<std::string, pending_order> pending;
    failure_book failures;
    ledger spent;
    state_items unknown;

    static void check(int damaged) {
        if (damaged > 0)
            throw error{errc::state_damaged, fmt::format("{} of its entries cannot be read", damaged)};
    }

    void read(const std::string& key, const boost::json::object& value, const std::string& own_account, wall_time now) {
        if (key == own_account) {
            account = read_account(value);
        } else if (key == hosts_key) {
            hosts = read_hosts(value);
        } else if (key == limits_key(directory_url)) {
            limits = read_limits(value);
        } else if (key.starts_with(certificates_prefix)) {
            auto record = read_certificate(value);
            // All or nothing: a store that is read bit by bit finds this out at first use, and orders anew.
            record.certificate->get();
            record.certificate->drop_parsed();
            // Before names had one of each kind, all were kept as P-256 is. What is kept as its own kind goes before that.
            const auto kind = kind_of(record.certificate->type());
            if (kind == kind_in(key))
                certificates.insert_or_assign(key, std::move(record));
            else
                certificates.emplace(for_kind(key, kind), std::move(record));
        } else if (key.starts_with(orders_prefix)) {
            pending.emplace(key, read_pending(value));
        } else if (const auto failed = shard_in(key, failures_key, directory_url)) {
            check(failures.read(*failed, value, now));
        } else if (const auto entries = shard_in(key, ledger_key, directory_url)) {
            check(spent.read(*entries, value, now));
        } else if (!is_of_no_ca(key)) {
            unknown.emplace(key, value);
        }
    }
};

state::state(std::string directory_url, const bounds& given)
    : directory_url_{std::move(directory_url)},
      bounds_{given},
      failures_{given.failures_max, given.retry},
      ledger_{given.limits, given.failures_max} {}

std::vector<std::string> state::memory_keys() const {
    std::vector<std::string> keys{limits_key(directory_url_)};
    for (int shard = 0; shard < failure_book::shards; ++shard)
        keys.push_back(failures_key(directory_url_, shard));
    for (int shard = 0; shard < ledger::shards; ++shard)
        keys.push_back(ledger_key(directory_url_, shard));
    return keys;
}

state_items state::items() const {
    const std::lock_guard lock{mutex_};
    auto items = unknown_;
    if (account_)
        items[account_key(account_->directory_url)] = to_json(*account_);
    items[std::string{hosts_key}] = to_json(hosts_);
    items[limits_key(directory_url_)] = to_json(limits_);
    for (const auto& [key, record] : certificates_)
        items[key] = to_json(record);
    for (const auto& [key, order] : pending_)
        items[key] = to_json(order);
    for (int shard = 0; shard < failure_book::shards; ++shard)
        if (auto value = failures_.to_json(shard); !value.empty())
            items[failures_key(directory_url_, shard)] = std::move(value);
    for (int shard = 0; shard < ledger::shards; ++shard)
        if (auto value = ledger_.to_json(shard); !value.empty())
            items[ledger_key(directory_url_, shard)] = std::move(value);
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
    else if (key == limits_key(directory_url_))
        found = to_json(limits_);
    else if (const auto failed = shard_in(key, failures_key, directory_url_))
        found = failures_.to_json(*failed);
    else if (const auto entries = shard_in(key, ledger_key, directory_url_))
        found = ledger_.to_json(*entries);
    else if (const auto order = pending_.find(key); order != pending_.end())
        found = to_json(order->second);
    else if (const auto unknown = unknown_.find(key); unknown != unknown_.end())
        found = unknown->second;
    return found;
}

void state::replace(const state_items& items, wall_time now) {
    contents read{directory_url_,
                  {},
                  {},
                  {},
                  {},
                  {},
                  {bounds_.failures_max, bounds_.retry},
                  {bounds_.limits, bounds_.failures_max},
                  {}};
    const auto own_account = account_key(directory_url_);
    const auto read_item = [&](const std::string& key, const boost::json::object& value) {
        try {
            read.read(key, value, own_account, now);
        } catch (const error& e) {
            throw error{errc::state_damaged, "the item " + quoted(key) + " is damaged: " + e.what()};
        }
    };
    // First what says when the others were written.
    if (const auto limits = items.find(limits_key(directory_url_)); limits != items.end())
        read_item(limits->first, limits->second);
    now = time_to_read_by(read.limits.written, now);
    for (const auto& [key, value] : items)
        read_item(key, value);
    if (read.account && read.account->directory_url != directory_url_) {
        read.unknown.emplace(own_account, to_json(*read.account));
        read.account.reset();
    }
    const std::lock_guard lock{mutex_};
    account_ = std::move(read.account);
    hosts_ = std::move(read.hosts);
    limits_ = std::move(read.limits);
    certificates_ = std::move(read.certificates);
    by_held_.clear();
    for (auto at = certificates_.cbegin(); at != certificates_.cend(); ++at)
        index(at);
    pending_ = std::move(read.pending);
    failures_ = std::move(read.failures);
    failures_.saved_nowhere();
    ledger_ = std::move(read.spent);
    unknown_ = std::move(read.unknown);
    count_for_account();
    newest_ = {};
    for (const auto& [key, record] : certificates_)
        newest_ = std::max(newest_, {record.certificate->not_before(), key});
}

int state::read_memory(const std::string& key, const boost::json::object& value, wall_time now) {
    const std::lock_guard lock{mutex_};
    if (const auto failed = shard_in(key, failures_key, directory_url_))
        return failures_.read(*failed, value, now);
    if (const auto entries = shard_in(key, ledger_key, directory_url_))
        return ledger_.read(*entries, value, now);
    return 0;
}

bool state::is_shared(const std::string& key) const {
    return key == limits_key(directory_url_) || shard_in(key, failures_key, directory_url_) ||
        shard_in(key, ledger_key, directory_url_);
}

int state::merge(
    const std::string& key, const std::optional<boost::json::object>& stored, std::uint64_t token, wall_time now) {
    const std::lock_guard lock{mutex_};
    if (const auto failed = shard_in(key, failures_key, directory_url_))
        return failures_.merge(*failed, stored ? &*stored : nullptr, now);
    if (const auto entries = shard_in(key, ledger_key, directory_url_))
        return ledger_.merge(*entries, stored.value_or(boost::json::object{}), token, now);
    if (stored)
        limits_ = merged(limits_, read_limits(*stored));
    return 0;
}

void state::saved(const std::string& key) {
    const std::lock_guard lock{mutex_};
    if (const auto failed = shard_in(key, failures_key, directory_url_))
        failures_.saved(*failed);
    else if (const auto entries = shard_in(key, ledger_key, directory_url_))
        ledger_.saved(*entries);
}

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

std::set<std::string> state::keys_with(const identifier& name) const {
    const std::lock_guard lock{mutex_};
    std::set<std::string> keys;
    for (auto& key : failures_.keys_with(name))
        keys.insert(std::move(key));
    for (const auto& [key, record] : certificates_)
        if (const auto names = record.names(); std::find(names.begin(), names.end(), name) != names.end())
            keys.insert(key);
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
}

void state::drop_from_index(certificate_map::const_iterator gone) {
    const auto at = by_held_.find(gone->second.certificate.get());
    if (at != by_held_.end() && at->second == gone)
        by_held_.erase(at);
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

void state::set_in_progress(const std::string& certificate_key, bool is) {
    const std::lock_guard lock{mutex_};
    if (is)
        in_progress_.insert(certificate_key);
    else
        in_progress_.erase(certificate_key);
}

bool state::in_progress(const std::string& certificate_key) const {
    const std::lock_guard lock{mutex_};
    return in_progress_.contains(certificate_key);
}

}  // namespace evercert
