#include "ledger/ledger.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

#include "base/wall_time.hpp"
#include "ledger/registered_domain.hpp"

namespace evercert {
namespace {

constexpr std::string_view orders_key = "orders";
constexpr std::string_view orders_prefix = "orders@";
constexpr std::string_view accounts_key = "accounts";
constexpr std::string_view domain_prefix = "domain/";
constexpr std::string_view set_prefix = "names/";
constexpr std::string_view failed_prefix = "failed/";
constexpr std::string_view lease_member = "lease";

/// Prefix, name, and what tells two sets of names apart.
constexpr std::size_t key_size_max = 512;
/// Sets whose names together are longer stand under their first name and a hash.
constexpr std::size_t set_text_max = 256;
/// A look back that is no step: NTP slews.
constexpr duration jitter_max = std::chrono::seconds{1};

std::uint64_t hash(std::string_view text, std::uint64_t start) {
    for (const char c : text)
        start = (start ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return start;
}

/// The same for the same names in any order.
std::string set_key(const std::vector<identifier>& names) {
    const std::set<identifier> sorted{names.begin(), names.end()};
    std::string all;
    for (const auto& name : sorted)
        (all += all.empty() ? "" : ",") += name.value();
    if (all.size() > set_text_max)
        all = fmt::format(
            "{}:{}:{:016x}{:016x}", sorted.begin()->value(), sorted.size(), hash(all, 0xcbf29ce484222325),
            hash(all, 0x84222325cbf29ce4));
    return std::string{set_prefix} + all;
}

std::size_t size_in_json(std::string_view key, const wall_time&) {
    constexpr std::size_t time_size_max = 20;
    constexpr std::size_t punctuation = 2;
    return boost::json::serialize(boost::json::string{key}).size() + punctuation + time_size_max;
}

/// What flooding with names must not push out: it would under-count for all of them.
bool is_of_account(std::string_view key) {
    return key == orders_key || key.starts_with(orders_prefix) || key == accounts_key;
}

ca_limits checked(ca_limits limits) {
    // A year is longer than any window that a CA has published, and a million more than any count.
    constexpr std::chrono::seconds window_max = std::chrono::days{366};
    constexpr int count_max = 1'000'000;
    for (auto* limit :
         {&limits.orders, &limits.certificates_per_domain, &limits.certificates_per_name_set,
          &limits.failed_authorizations, &limits.accounts}) {
        limit->count = std::clamp(limit->count, 0, count_max);
        limit->window = std::clamp(limit->window, std::chrono::seconds{}, window_max);
    }
    limits.renewal_reserve_percent = std::clamp(limits.renewal_reserve_percent, 0, 90);
    return limits;
}

}  // namespace

ledger::ledger(ca_limits limits, std::size_t entries_max)
    : limits_{checked(limits)}, buckets_{entries_max, size_in_json, is_of_account} {}

// What counts against what.

std::vector<ledger::use> ledger::order_uses(order_kind kind) const {
    if (kind.repeats && limits_.renewals_exempt)
        return {};
    auto key = account_.empty() ? std::string{orders_key} : std::string{orders_key} + account_mark + account_;
    return {{std::move(key), &limits_.orders, true, "orders", "orders"}};
}

ledger::use ledger::set_use(const std::vector<identifier>& names) const {
    const auto list = names.size() <= 3 ? to_string(names) : fmt::format("the same {} names", names.size());
    return {
        set_key(names), &limits_.certificates_per_name_set, false, "certificates for exactly " + list,
        "certificates_per_name_set"};
}

std::vector<ledger::use> ledger::certificate_uses(const std::vector<identifier>& names, order_kind kind) const {
    if (kind.repeats && limits_.renewals_exempt)
        return {set_use(names)};
    std::set<std::string> domains;
    for (const auto& name : names)
        domains.insert(registered_domain(name));
    std::vector<use> uses;
    for (const auto& domain : domains)
        uses.push_back(
            {std::string{domain_prefix} + domain, &limits_.certificates_per_domain, true, "certificates for " + domain,
             "certificates_per_domain"});
    uses.push_back(set_use(names));
    return uses;
}

std::vector<ledger::use> ledger::validation_uses(const std::vector<identifier>& names) const {
    std::set<std::string> bases;
    for (const auto& name : names)
        bases.insert(name.is_wildcard() ? name.value().substr(2) : name.value());
    std::vector<use> uses;
    for (const auto& base : bases)
        uses.push_back(
            {std::string{failed_prefix} + base + (account_.empty() ? "" : account_mark + account_),
             &limits_.failed_authorizations, false, "failed validations of " + base, "failed_authorizations"});
    return uses;
}

ledger::use ledger::account_use() const {
    return {std::string{accounts_key}, &limits_.accounts, false, "new accounts", "accounts"};
}

const ca_limit* ledger::limit_of(std::string_view key) const noexcept {
    if (key == orders_key || key.starts_with(orders_prefix))
        return &limits_.orders;
    if (key == accounts_key)
        return &limits_.accounts;
    if (key.starts_with(domain_prefix))
        return &limits_.certificates_per_domain;
    if (key.starts_with(set_prefix))
        return &limits_.certificates_per_name_set;
    return key.starts_with(failed_prefix) ? &limits_.failed_authorizations : nullptr;
}

// Buckets.

ledger::bucket ledger::full_bucket(const ca_limit& limit) {
    const duration interval = limit.count > 0 ? duration{limit.window} / limit.count : duration{};
    return {interval, limit.count};
}

ledger::bucket ledger::load(const use& of, wall_time now) const {
    auto one = full_bucket(*of.limit);
    const auto* full_at = buckets_.find(of.key);
    one.restore(full_at ? between(now, *full_at) : duration{}, now);
    return one;
}

void ledger::store(const std::string& key, const bucket& one, wall_time now) {
    if (one.full_at() > now)
        buckets_.put(key, one.full_at(), one.full_at());
    else
        buckets_.erase(key);
}

void ledger::take(const std::vector<use>& uses, wall_time now) {
    for (const auto& of : uses) {
        auto one = load(of, now);
        one.take(now);
        note_own(of.key, one, 1);
        store(of.key, one, now);
    }
}

void ledger::give_back(const std::vector<use>& uses, wall_time now) {
    for (const auto& of : uses) {
        if (!buckets_.find(of.key))
            continue;
        auto one = load(of, now);
        one.give_back();
        note_own(of.key, one, -1);
        store(of.key, one, now);
    }
}

void ledger::note_own(const std::string& key, const bucket& one, int tokens) {
    if (one.interval() <= duration{})
        return;  // no limit
    // The store may be gone for long; buckets that are full by now matter least.
    if (own_.size() >= 2 * buckets_.entries_max())
        own_.forget_if([&](const std::string& other) { return !buckets_.find(other); });
    own_.add(key, tokens);
}

ledger::verdict ledger::judge(const std::vector<use>& uses, bool renewal, wall_time now) const {
    verdict latest{true, now, {}};
    for (const auto& of : uses) {
        const auto count = of.limit->count;
        const auto kept = of.reserved && !renewal ? std::int64_t{count} * limits_.renewal_reserve_percent / 100 : 0;
        const auto wait = load(of, now).delay(now, static_cast<std::size_t>(kept));
        if (now + wait <= latest.not_before)
            continue;
        latest.now = false;
        latest.not_before = now + wait;
        latest.because = fmt::format(
            "{} {} in {} are used up{} (the CA's limit {})", count, of.what, to_text(of.limit->window),
            kept > 0 ? fmt::format(" but for {} that are kept for renewals", kept) : "", of.name);
    }
    return latest;
}

void ledger::notice(wall_time now) {
    if (now + jitter_max < newest_) {
        // Whatever the clock said before: an empty bucket is the most that can be owed.
        buckets_.rewrite([&](const std::string& key, wall_time& full_at) {
            const auto empty = full_bucket(*limit_of(key));
            return full_at = std::min(full_at, now + empty.burst() * empty.interval());
        });
        newest_ = now;
    }
    newest_ = std::max(newest_, now);
    buckets_.erase_ended(now);
}

// The ways in.

ledger::verdict ledger::can_issue(const std::vector<identifier>& names, order_kind kind, wall_time now) {
    notice(now);
    if (is_exempt(kind))
        return {true, now, {}};
    auto uses = order_uses(kind);
    for (auto&& more : {certificate_uses(names, kind), validation_uses(names)})
        uses.insert(uses.end(), more.begin(), more.end());
    return judge(uses, kind.renewal, now);
}

void ledger::ordered(const std::vector<identifier>& names, order_kind kind, wall_time now) {
    notice(now);
    ++totals_.ordered;
    if (is_exempt(kind))
        return;
    take(order_uses(kind), now);
    take(certificate_uses(names, kind), now);
}

void ledger::issued(const std::vector<identifier>& names, order_kind kind, wall_time now) {
    ++totals_.issued;
    may_be_issued(names, kind, now);
    if (!is_exempt(kind))
        return;
    // Let's Encrypt counts it for those who come without `replaces`, but nobody owes more than there is.
    if (const auto set = set_use(names); load(set, now).delay(now) <= duration{})
        take({set}, now);
}

/// The CA counts a certificate when it issues it, and it was taken when it was ordered: what is owed for it is owed until later.
void ledger::may_be_issued(const std::vector<identifier>& names, order_kind kind, wall_time now) {
    notice(now);
    if (is_exempt(kind))
        return;
    const auto uses = certificate_uses(names, kind);
    give_back(uses, now);
    take(uses, now);
}

void ledger::not_issued(const std::vector<identifier>& names, order_kind kind, wall_time now) {
    notice(now);
    if (is_exempt(kind))
        return;
    give_back(certificate_uses(names, kind), now);
}

void ledger::may_fail(const std::vector<identifier>& names, wall_time now) {
    notice(now);
    take(validation_uses(names), now);
}

void ledger::not_failed(const std::vector<identifier>& names, wall_time now) {
    notice(now);
    give_back(validation_uses(names), now);
}

void ledger::failed(const std::vector<identifier>& names, wall_time now) {
    notice(now);
    const auto uses = validation_uses(names);
    totals_.failed += uses.size();
    take(uses, now);
}

bool ledger::counts_order(order_kind kind) const {
    return limits_.orders.count > 0 && !is_exempt(kind) && !order_uses(kind).empty();
}

duration ledger::orders_debt(wall_time now) {
    notice(now);
    duration debt{};
    for (const auto& of : order_uses({}))
        debt = load(of, now).debt(now);
    return debt;
}

ledger::verdict ledger::can_register(wall_time now) {
    notice(now);
    return judge({account_use()}, true, now);
}

void ledger::account_created(wall_time now) {
    notice(now);
    take({account_use()}, now);
}

// Kept state.

shard_set ledger::shards_of(const std::vector<identifier>& names, order_kind kind) const {
    shard_set shards;
    for (const auto& uses : {order_uses(kind), certificate_uses(names, kind), validation_uses(names)})
        for (const auto& of : uses)
            shards.set(static_cast<std::size_t>(shard_of_key(of.key)));
    return shards;
}

boost::json::object ledger::to_json(int shard) const {
    boost::json::object object;
    for (const auto& [key, one] : buckets_.shard(shard))
        object[key] = to_milliseconds(one.value);
    if (const auto token = tokens_.at(static_cast<std::size_t>(shard)); token != 0 && !object.empty())
        object[lease_member] = token;
    return object;
}

bool ledger::is_bucket_of(int shard, std::string_view key, const boost::json::value& value) const {
    return limit_of(key) && value.is_int64() && shard_of_key(key) == shard && key.size() <= key_size_max;
}

int ledger::read(int shard, const boost::json::object& from, wall_time now) {
    int damaged = 0;
    const auto changed = buckets_.changed();
    for (const auto& [name, value] : from) {
        const std::string_view key{name.data(), name.size()};
        if (key == lease_member && value.is_int64()) {
            tokens_.at(static_cast<std::size_t>(shard)) = value.get_int64();
            continue;
        }
        if (!is_bucket_of(shard, key, value)) {
            ++damaged;
            continue;
        }
        const auto full_at = with_own(key, from_milliseconds(value.get_int64()), now);
        const auto* known = buckets_.find(key);
        if (full_at > now && (!known || *known < full_at))
            buckets_.put(key, full_at, full_at);
    }
    buckets_.set_changed(changed);
    return damaged;
}

/// Never more than an empty bucket has.
wall_time ledger::with_own(std::string_view key, wall_time stored, wall_time now) const {
    const auto empty = full_bucket(*limit_of(key));
    const auto most = plus(now, empty.burst() * empty.interval());
    // What was taken so long ago that it has come back since is not added to what others took later.
    const auto own = std::clamp(own_.missing(key), -empty.burst(), buckets_.find(key) ? empty.burst() : 0);
    return std::min(plus(std::min(stored, most), own * empty.interval()), most);
}

int ledger::merge(int shard, const boost::json::object& stored, std::uint64_t token, wall_time now) {
    notice(now);
    auto& ours = tokens_.at(static_cast<std::size_t>(shard));
    const auto* theirs = stored.if_contains(lease_member);
    if (theirs && theirs->is_int64() && theirs->get_int64() == ours)
        own_.arrived(shard);
    const int damaged = read(shard, stored, now);
    own_.sent(shard);
    ours = static_cast<std::int64_t>(token);
    return damaged;
}

}  // namespace evercert
