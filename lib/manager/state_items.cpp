#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/store.hpp>

#include "manager/state.hpp"

// The state as the items that stores and documents keep.

namespace evercert {
namespace {

static_assert(ledger_shard_size_max + 2 <= store::value_max, "what is bounded can be saved");

/// The shard of a key such as "ledger/ca.test:1f2e3d4c/c"; nothing if it is no such key of this CA. To make one takes a hash and
/// a parsed URL, and each value that is loaded or saved is asked about, so only the one that it may be is made.
using key_of_shard = std::string (*)(std::string_view directory_url, int shard);
std::optional<int> shard_in(std::string_view key, key_of_shard key_of, std::string_view directory_url) {
    const auto last = key.substr(key.rfind('/') + 1);
    int shard = 0;
    const auto read = std::from_chars(last.data(), last.data() + last.size(), shard, 16);
    const bool is_number = read.ec == std::errc{} && read.ptr == last.data() + last.size();
    if (!is_number || shard < 0 || shard >= ledger_shards || key != key_of(directory_url, shard))
        return std::nullopt;
    return shard;
}

/// Of a time when there was one of them for all CAs: nobody can tell which one said it.
bool is_of_no_ca(std::string_view key) {
    const auto slash = key.find('/');
    return key == "limits" ||
        (slash != std::string_view::npos && slash == key.rfind('/') &&
         (key.starts_with("failures/") || key.starts_with("ledger/")));
}

}  // namespace

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
    by_name_.clear();
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

}  // namespace evercert
