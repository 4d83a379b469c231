#include "ledger/failure_book.hpp"

#include <algorithm>

#include <boost/json/serialize.hpp>

#include "base/wall_time.hpp"

namespace evercert {
namespace {

/// What nobody's delays exceed: a damaged record must not close a name for longer.
constexpr duration wait_max = std::chrono::days{366};
constexpr double jitter = 0.1;

duration doubled(struct retry_delay delay, int failures) {
    const auto most = std::clamp<duration>(delay.most, {}, wait_max);
    auto wait = std::clamp<duration>(delay.first, {}, most);
    for (int i = 1; i < failures && wait < most && wait > duration{}; ++i)
        wait = std::min(2 * wait, most);
    return wait;
}

duration lengthened(duration wait, double draw) {
    return wait + std::chrono::duration_cast<duration>(wait * (jitter * std::clamp(draw, 0.0, 1.0)));
}

/// The longest that a record can say to wait.
duration longest(const retry_options& delays, failure_class kind) {
    const auto most = std::clamp<duration>(delays.of(kind).most, {}, wait_max);
    return lengthened(std::max<duration>(most, failure_book::retry_after_max), 1);
}

/// Every time in it earlier by so much.
void shift(failure_record& record, duration by) {
    if (record.ordered())
        record.ordered_until = plus(record.ordered_until, -by);
    record.at = plus(record.at, -by);
    record.retry_at = plus(record.retry_at, -by);
}

/// A time in milliseconds of later, or of 1970, has some digits more.
constexpr std::size_t digits_spare = 64;

std::size_t size_in_json(std::string_view key, const failure_record& record) {
    return boost::json::serialize(boost::json::object{{key, to_json(record)}}).size() + digits_spare;
}

bool is_from_the_future(const failure_record& record, wall_time now) {
    return between(now, record.at) > failure_book::step_back_max;
}

}  // namespace

failure_book::failure_book(std::size_t entries_max, retry_options delays)
    : delays_{delays}, records_{entries_max, size_in_json} {}

void failure_book::set_account(const std::string& tag) {
    account_ = tag;
    std::vector<std::string> others;
    for (int shard = 0; shard < shards; ++shard)
        for (const auto& [key, one] : records_.shard(shard))
            if (is_another_account(one.value))
                others.push_back(key);
    for (const auto& key : others) {
        records_.erase(key);
        own_.erase(key);
    }
}

bool failure_book::is_another_account(const failure_record& record) const {
    return !account_.empty() && !record.account.empty() && record.account != account_;
}

void failure_book::note_names(std::string_view key, const std::vector<identifier>& names) {
    const auto* known = records_.find(key);
    if (!known || names.size() < 2 || names.size() > failure_names_max)
        return;
    auto record = *known;
    record.names = names;
    const auto ends = end_of(record);
    put(key, std::move(record), ends);
}

std::vector<std::string> failure_book::keys_with(const identifier& name) const {
    std::vector<std::string> found;
    for (int shard = 0; shard < shards; ++shard)
        for (const auto& [key, one] : records_.shard(shard))
            if (std::find(one.value.names.begin(), one.value.names.end(), name) != one.value.names.end())
                found.push_back(key);
    return found;
}

const failure_record* failure_book::find(std::string_view key, wall_time now) const {
    const auto* record = records_.find(key);
    return record && record->retry_at > now && !is_from_the_future(*record, now) ? record : nullptr;
}

failure_record failure_book::remember(
    std::string_view key, const failure& what, wall_time now, double draw,
    std::optional<std::chrono::seconds> retry_after) {
    auto record = make_record(what, now);
    record.account = account_;
    if (what.kind == failure_class::cancelled)
        return record;
    clock_moved(now);
    record.failures = failures_before(key, now) + 1;
    auto wait = doubled(delays_.of(what.kind), record.failures);
    if (const auto ordered = retry_after ? retry_after : what.retry_after) {
        const duration bounded = std::clamp<std::chrono::seconds>(*ordered, {}, retry_after_max);
        record.ordered_until = plus(now, bounded);
        wait = std::max(wait, bounded);
    }
    record.retry_at = plus(now, lengthened(wait, draw));
    put(key, record, end_of(record));
    return record;
}

failure_record failure_book::remember(
    std::string_view key, std::exception_ptr thrown, wall_time now, double draw,
    std::optional<std::chrono::seconds> retry_after) {
    return remember(key, describe(std::move(thrown)), now, draw, retry_after);
}

void failure_book::refuse(std::string_view key, const failure& what, wall_time now, wall_time until) {
    clock_moved(now);
    auto record = make_record(what, now);
    record.account = account_;
    record.failures = failures_before(key, now) + 1;
    record.retry_at = std::min(until, plus(now, longest(delays_, what.kind)));
    const auto ends = record.retry_at;
    put(key, std::move(record), ends);
}

std::vector<std::string> failure_book::keys(std::string_view prefix) const {
    std::vector<std::string> found;
    for (int shard = 0; shard < shards; ++shard)
        for (auto at = records_.shard(shard).lower_bound(prefix);
             at != records_.shard(shard).end() && at->first.starts_with(prefix); ++at)
            found.push_back(at->first.substr(prefix.size()));
    return found;
}

bool failure_book::forget(std::string_view key) {
    const bool was_there = records_.erase(key);
    if (was_there)
        note_own(key);
    return was_there;
}

void failure_book::put(std::string_view key, failure_record record, wall_time ends) {
    records_.put(key, std::move(record), ends);
    note_own(key);
}

void failure_book::note_own(std::string_view key) {
    // The store may be gone for long; what there is matters more than what was forgotten.
    if (own_.size() >= 2 * records_.entries_max())
        std::erase_if(own_, [&](const auto& one) { return !records_.find(one.first); });
    own_.insert_or_assign(std::string{key}, false);
}

int failure_book::failures_before(std::string_view key, wall_time now) const {
    const auto* record = records_.find(key);
    return record && now < end_of(*record) ? record->failures : 0;
}

wall_time failure_book::end_of(const failure_record& record) const {
    return plus(record.retry_at, std::clamp<duration>(delays_.of(record.kind).most, {}, wait_max));
}

void failure_book::clock_moved(wall_time now) {
    if (between(now, newest_) > step_back_max)
        clock_stepped(now);
    newest_ = std::max(newest_, now);
    records_.erase_ended(now);
}

void failure_book::clock_stepped(wall_time now) {
    newest_ = now;
    if (!records_.any_of([&](const failure_record& record) { return is_from_the_future(record, now); }))
        return;
    records_.rewrite([&](const std::string&, failure_record& record) {
        if (is_from_the_future(record, now))
            shift(record, between(now, record.at));
        return end_of(record);
    });
}

boost::json::object failure_book::to_json(int shard) const {
    boost::json::object object;
    for (const auto& [key, one] : records_.shard(shard))
        object[key] = evercert::to_json(one.value);
    return object;
}

int failure_book::read(int shard, const boost::json::object& from, wall_time now) {
    int damaged = 0;
    const auto changed = records_.changed();
    for (const auto& [name, value] : from) {
        const std::string_view key{name.data(), name.size()};
        auto record = value.is_object() ? read_failure(value.get_object()) : std::nullopt;
        if (!record || shard_of(key) != shard || key.size() > key_size_max) {
            ++damaged;
            continue;
        }
        if (is_from_the_future(*record, now))
            shift(*record, between(now, record->at));
        const auto bound = plus(record->at, longest(delays_, record->kind));
        record->retry_at = std::min(record->retry_at, bound);
        record->ordered_until = std::min(record->ordered_until, record->retry_at);
        if (is_another_account(*record))
            continue;
        const auto* known = records_.find(key);
        const bool forgotten = !known && own_.contains(key);
        if (end_of(*record) > now && !forgotten && (!known || known->at < record->at))
            records_.put(key, *record, end_of(*record));
    }
    records_.set_changed(changed);
    return damaged;
}

int failure_book::merge(int shard, const boost::json::object* stored, wall_time now) {
    std::vector<std::string> forgotten;
    for (const auto& [key, one] : records_.shard(shard))
        if (stored && !stored->contains(key) && !own_.contains(key))
            forgotten.push_back(key);
    const auto changed = records_.changed();
    for (const auto& key : forgotten)
        records_.erase(key);
    records_.set_changed(changed);
    const int damaged = stored ? read(shard, *stored, now) : 0;
    for (auto& [key, sent] : own_)
        sent = sent || shard_of(key) == shard;
    return damaged;
}

void failure_book::saved(int shard) {
    std::erase_if(own_, [&](const auto& one) { return one.second && shard_of(one.first) == shard; });
}

void failure_book::saved_nowhere() {
    for (int shard = 0; shard < shards; ++shard)
        for (const auto& [key, one] : records_.shard(shard))
            note_own(key);
}

}  // namespace evercert
