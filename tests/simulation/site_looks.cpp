// What a site is watched for, beside what accounting and turns count.

#include <fmt/format.h>

#include "base/wall_time.hpp"
#include "site.hpp"

namespace simulation {

using namespace std::chrono_literals;
using namespace evercert;

void site::promise(const std::string& name, const manager_event& event) {
    const auto now = world.time().now();
    // By a clock that is wrong it is another time, which `clock_guard` answers for.
    if (event.next && server.clock()->wall() == now)
        promises_.promise(name, now, *event.next);
}

void site::note_saving(const std::string& name, const manager_event& event) {
    constexpr std::string_view prefix = "certificates/";
    switch (event.type) {
    case event_type::obtained:
    case event_type::renewed: fresh_.insert(name); break;
    case event_type::loaded: fresh_.erase(name); break;
    case event_type::saved:
    case event_type::save_failed:
        // With the key, and then why.
        if (event.text.starts_with(prefix))
            fresh_.erase(event.text.substr(prefix.size(), event.text.find(':') - prefix.size()));
        break;
    case event_type::published:
        // Whose lease was lost meanwhile is saved later, and says so.
        if (const auto status = manager_->status(identifier{name}); fresh_.erase(name) > 0 && status && status->saved)
            find(check::unsaved, fmt::format("{} was published before it was saved", name));
        break;
    default: break;
    }
}

void site::ordered(const testing::placed_order& placed) {
    const auto now = world.time().now();
    const auto name = placed.names.front().value();
    if (pace_.order(now))
        find(
            check::order_rate,
            fmt::format("an order for {} is more than {} lets through", name, "manager_options::orders"));
    if (const auto promised = promises_.order(name, now))
        find(check::early_order, fmt::format("an order for {} was to come at {}", name, to_rfc3339(*promised)));
    if (const auto late = promised_end_.ordered(name, now))
        late_replacement(*late);
    look_at_promised_end();
}

void site::late_replacement(duration late) {
    find(
        check::late_replacement,
        fmt::format("what waited was to be ordered {} s ago, by manager_status::replacement", late / 1s));
}

void site::look_at_promised_end() {
    const auto now = world.time().now();
    if (const auto late = promised_end_.overdue(now))
        late_replacement(*late);
    // After a day nothing is left of a mass replacement here.
    const bool mass = replacing_since_ <= now && now < replacing_since_ + 24h;
    if (promised_end_.is_open() || !mass || !manager_ || quiet_for() < quiet_enough())
        return;
    const auto status = manager_->status();
    if (!status.replacement)
        return;
    std::set<std::string> waiting;
    for (const auto& each : status.certificates)
        if (each.next == next_act::renew && each.next_at <= now && !each.problem &&
            each.state != certificate_state::renewing)
            waiting.insert(each.names.front().value());
    // What became due in this moment may not be counted yet.
    if (waiting.size() == status.replacement->certificates)
        promised_end_.promise(std::move(waiting), status.replacement->done_at);
}

duration site::quiet_for() {
    const auto now = world.time().now();
    return std::min(account.calm_for(now), strange_windows_ > 0 ? duration{} : now - windows_seen_since_);
}

/// A question that failed is asked again after at most a day, and after that nothing may hold the order up for longer.
duration site::quiet_enough() const { return after(worst_aftermath(how.faults)).length + renewal_info_wait(how) + 26h; }

void site::check_kept() {
    if (disk_fails > 0 || !manager_)
        return;
    const auto now = world.time().now();
    for (auto& [name, newest] : newest_) {
        // Not by find(): what nobody asks for is to stay as it was loaded.
        const auto status = manager_->status(identifier{name});
        const bool there = status && status->not_before;
        if (there && *status->not_before >= newest.not_before)
            continue;
        if (!unsaved_.contains(name))
            find(
                check::lost_state,
                fmt::format("{} has {} after a restart", name, there ? "an earlier certificate" : "no certificate"));
        newest = there ? validity{*status->not_before, *status->not_after} : validity{};
        account.published(name, now, there ? newest.not_after : now);
    }
    unsaved_.clear();
}

void site::find(check by, std::string_view text) {
    found_.add(world.time().now(), by, text);
    world.note(fmt::format("{}: {}", to_string(by), text));
}

void site::look_each_day() {
    look();
    world.time().call_at(world.time().elapsed() + std::chrono::days{1}, [this] { look_each_day(); });
}

void site::look() {
    look_at_plans();
    const auto limits = static_cast<std::uint64_t>(ca.limit_violations());
    if (limits > limits_seen_)
        find(check::ca_limit, ca.latest_limit_violations().back());
    limits_seen_ = limits;
    const auto careless = static_cast<std::uint64_t>(ca.protocol_violations());
    if (careless > careless_seen_)
        find(check::careless_request, ca.latest_protocol_violations().back());
    careless_seen_ = careless;
    const auto now = account.at(world.time().now());
    look_at_replacements();
    look_at_promised_end();
    if (now.unexcused >= 1s && found_.count(check::expired) == 0)
        find(check::expired, fmt::format("{} since {}", now.worst, to_rfc3339(*now.first)));
}

void site::look_at_replacements() {
    const auto now = world.time().now();
    const auto longest = quiet_enough();
    if (quiet_for() < longest)
        return;
    std::erase_if(to_replace_, [&](const auto& wanted) {
        const bool late = now > wanted.second.end + longest;
        if (late)
            find(
                check::not_replaced,
                fmt::format("{} was to be replaced until {}", wanted.first, to_rfc3339(wanted.second.end)));
        return late;
    });
}

void site::look_at_plans() {
    if (!manager_)
        return;
    for (const auto& each : manager_->status().certificates) {
        // What is not saved yet is drawn again after a crash; what has failed is tried again, which is looked at elsewhere.
        if (each.state != certificate_state::valid || !each.saved || each.problem || each.next != next_act::renew ||
            !each.next_at)
            continue;
        const auto& name = each.names.front().value();
        if (const auto before = times_.look(name, *each.not_before, each.reason, *each.next_at))
            find(
                check::moved_renewal,
                fmt::format(
                    "{} was to be renewed at {}, and now at {}: {}", name, to_rfc3339(*before),
                    to_rfc3339(*each.next_at), each.reason));
    }
}

void site::end() {
    look();
    if (accounts_.size() > 1 + accounts_forgotten)
        find(
            check::lost_state,
            fmt::format("{} accounts were used, and {} forgotten by the CA", accounts_.size(), accounts_forgotten));
    // The last ones may still be on their way.
    const auto longest = after(worst_aftermath(how.faults)).length;
    for (const auto& [serial, made] : unpublished_)
        if (made.at + longest < world.time().now())
            find(check::abandoned, fmt::format("the certificate for {} of {}", made.name, to_rfc3339(made.at)));
}

}  // namespace simulation
