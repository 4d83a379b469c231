#include "manager/renewal_plan.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

namespace evercert {

std::optional<wall_time> next_end(const held_certificate& held, certificate_record::notice told) {
    switch (told) {
    case certificate_record::notice::none: return last_twentieth(held.not_before(), held.not_after());
    case certificate_record::notice::expiring: return held.not_after();
    case certificate_record::notice::expired: break;
    }
    return std::nullopt;
}

std::string renewed_under(const manager_context& context, const std::string& key) {
    return context.wanted(kind_in(key)) ? key : for_kind(key, context.preferred());
}

renewal_facts facts_of(const manager_context& context, const std::string& key, const certificate_record& record) {
    renewal_facts facts;
    facts.not_before = record.certificate->not_before();
    facts.not_after = record.certificate->not_after();
    facts.obtained = record.obtained;
    facts.draw = record.draw;
    facts.expired_kept = context.options.expired_kept;
    // Who issued it knows, and that may be another CA than today's.
    if (context.options.renewal_info && !record.directory_url.empty()) {
        facts.window = record.window;
        facts.poll_at = record.poll_at.value_or(record.obtained);
    }
    const auto under = renewed_under(context, key);
    const bool succeeded = under != key && context.all.certificate(under);
    facts.renewable = !succeeded &&
        (context.options.admission || std::all_of(record.names().begin(), record.names().end(), [&](const auto& name) {
             return context.all.admits(name);
         }));
    facts.failed = context.all.with_failures([&](const failure_book& book) {
        std::optional<failed_attempt> failed;
        if (const auto* last = book.last(under))
            failed = failed_attempt{last->kind, last->at, last->retry_at, last->ordered_until};
        return failed;
    });
    return facts;
}

void renewal_plan::plan(const std::string& key) { plan_not_before(key, wall_time::min()); }

void renewal_plan::plan_later(const std::string& key, duration delay) { plan_not_before(key, context_.now() + delay); }

void renewal_plan::plan_not_before(const std::string& key, wall_time earliest) {
    take(key);
    const auto record = context_.all.certificate(key);
    if (!record)
        return;
    if (earliest != wall_time::min())
        put_off_.insert(key);
    auto facts = facts_of(context_, key, *record);
    if (!facts.renewable)
        held_back_.insert(key);
    const auto now = context_.now();
    latest_ = std::max(latest_, now);
    auto next = plan_next(facts, now, context_.options.retry);
    if (next.act == next_act::poll_renewal_info) {
        if (!being_polled_.contains(key))
            put(key, renewal_queue::list::polls, std::max(next.at, earliest));
        // Whatever the CA's answer takes, the renewal does not wait for it.
        facts.poll_at.reset();
        next = plan_next(facts, now, context_.options.retry);
    }
    auto at = next_notice(*record);
    if (next.act != next_act::none)
        at = std::min(std::max(next.at, earliest), at.value_or(wall_time::max()));
    if (at)
        put(key, renewal_queue::list::acts, *at);
}

void renewal_plan::put(const std::string& key, renewal_queue::list which, wall_time when) {
    const auto before = queue_.next(which);
    queue_.plan(key, which, when);
    if (!before || when < before->when)
        earlier(which).notify_all();
}

void renewal_plan::line_up(const std::string& key, const replacement_rank& rank, wall_time again) {
    put(key, renewal_queue::list::acts, again);
    {
        const std::lock_guard lock{mutex_};
        line_.put(key, rank);
    }
    lined_up_.notify_all();
}

std::optional<std::string> renewal_plan::first_in_line(replacement_queue::of which) const {
    const std::lock_guard lock{mutex_};
    return line_.next(which);
}

std::size_t renewal_plan::waiting() const {
    const std::lock_guard lock{mutex_};
    return line_.size();
}

renewal_plan::forecast renewal_plan::look_ahead(const replacement_paces& paces) const {
    const auto now = context_.now();
    forecast ahead;
    const std::lock_guard lock{mutex_};
    ahead.waiting = line_.size();
    ahead.estimate = plan_replacement(line_, paces, now);
    line_.each([&](const std::string& key, const replacement_rank&) {
        ahead.first.push_back(key);
        return ahead.first.size() < named_max;
    });
    return ahead;
}

void renewal_plan::take(const std::string& key) {
    {
        const std::lock_guard lock{mutex_};
        line_.forget(key);
    }
    queue_.forget(key);
    held_back_.erase(key);
    put_off_.erase(key);
}

void renewal_plan::take_poll(const std::string& key) {
    queue_.forget(key, renewal_queue::list::polls);
    being_polled_.insert(key);
}

void renewal_plan::polled(const std::string& key) {
    being_polled_.erase(key);
    plan(key);
}

void renewal_plan::plan_all() {
    queue_.clear();
    held_back_.clear();
    put_off_.clear();
    {
        const std::lock_guard lock{mutex_};
        line_.clear();
    }
    hosts_ = context_.all.hosts();
    plan_each(context_.all.certificate_keys());
}

void renewal_plan::clock_turned() {
    std::set<std::string> keys{put_off_};
    for (auto& key : in_line())
        keys.insert(std::move(key));
    for (auto& key : queue_.due(renewal_queue::list::acts, std::exchange(latest_, context_.now())))
        keys.insert(std::move(key));
    for (const auto& rest :
         context_.all.with_failures([](const failure_book& book) { return book.keys(certificates_prefix); }))
        keys.insert(std::string{certificates_prefix} + rest);
    plan_each(keys);
}

void renewal_plan::plan_hosts() {
    const auto before = std::exchange(hosts_, context_.all.hosts());
    if (hosts_.any && !before.any)
        plan_each(std::set<std::string>{held_back_});
    if (!hosts_.any && before.any)
        plan_each(in_line());
    if (hosts_.any || before.any)
        return;
    std::vector<identifier> changed;
    std::set_symmetric_difference(
        hosts_.names.begin(), hosts_.names.end(), before.names.begin(), before.names.end(),
        std::back_inserter(changed));
    for (const auto& name : changed)
        plan_each(context_.all.certificates_with(name));
}

std::vector<std::string> renewal_plan::in_line() const {
    std::vector<std::string> keys;
    const std::lock_guard lock{mutex_};
    line_.each([&](const std::string& key, const replacement_rank&) {
        keys.push_back(key);
        return true;
    });
    return keys;
}

template <typename Keys>
void renewal_plan::plan_each(const Keys& keys) {
    for (const auto& key : keys)
        plan(key);
}

}  // namespace evercert
