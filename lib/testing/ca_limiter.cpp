#include "testing/ca_limiter.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/wall_time.hpp"
#include "ledger/registered_domain.hpp"
#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

std::string name_set(std::vector<identifier> names) {
    std::sort(names.begin(), names.end());
    return to_string(names);
}

std::set<std::string> domains_of(const std::vector<identifier>& names) {
    std::set<std::string> domains;
    for (const auto& name : names)
        domains.insert(registered_domain(name));
    return domains;
}

std::string failures_of(std::size_t account, const identifier& name) {
    return std::to_string(account) + " " + (name.is_wildcard() ? name.value().substr(2) : name.value());
}

/// "2026-01-31 12:00:00 UTC", which is how Let's Encrypt puts it into the detail.
std::string to_detail(wall_time when) {
    auto text = to_rfc3339(when);
    text[text.find('T')] = ' ';
    text.back() = ' ';
    return text + "UTC";
}

}  // namespace

duration limit_buckets::wait(const std::string& name, steady_time now) const {
    if (limit_.count == 0)
        return {};
    const auto found = full_at_.find(name);
    if (found == full_at_.end())
        return {};
    return std::max(duration{}, found->second + interval() - limit_.window - now);
}

void limit_buckets::take(const std::string& name, steady_time now) {
    if (limit_.count == 0)
        return;
    auto& full_at = full_at_.try_emplace(name, now).first->second;
    full_at = std::min(std::max(full_at, now) + interval(), now + limit_.window);
}

void limit_buckets::prune(steady_time now) {
    std::erase_if(full_at_, [&](const auto& each) { return each.second <= now; });
}

ca_limiter::ca_limiter(const std::optional<ca_limits>& limits)
    : replacements_exempt_{limits && limits->replacements_exempt},
      orders_{limits ? limits->orders : ca_limit{}},
      per_domain_{limits ? limits->certificates_per_domain : ca_limit{}},
      per_name_set_{limits ? limits->certificates_per_name_set : ca_limit{}},
      failures_{limits ? limits->failed_authorizations : ca_limit{}},
      accounts_{limits ? limits->accounts : ca_limit{}} {}

void ca_limiter::new_account(const asio::ip::address& from, moment now) {
    const auto address = from.to_string();
    require({{&accounts_, address, "new accounts from this address"}}, "newAccount from " + address, now);
    accounts_.take(address, now.steady);
}

void ca_limiter::new_order(
    std::size_t account, const std::vector<identifier>& names, order_standing standing, moment now) {
    if (standing.is_replacement && replacements_exempt_)
        return;
    std::vector<need> needs;
    const auto id = std::to_string(account);
    if (!standing.is_renewal) {
        needs.push_back({&orders_, id, "new orders of this account"});
        for (const auto& domain : domains_of(names))
            needs.push_back({&per_domain_, domain, "new certificates for this registered domain"});
    }
    needs.push_back({&per_name_set_, name_set(names), "new certificates for exactly these names"});
    for (const auto& name : names)
        needs.push_back({&failures_, failures_of(account, name), "failed authorizations of this account for a name"});
    require(needs, "newOrder of account " + id + " for " + to_string(names), now);
    if (!standing.is_renewal)
        orders_.take(id, now.steady);
}

void ca_limiter::issued(const std::vector<identifier>& names, order_standing standing, moment now) {
    if (standing.is_replacement && replacements_exempt_)
        return;
    per_name_set_.take(name_set(names), now.steady);
    if (!standing.is_renewal)
        for (const auto& domain : domains_of(names))
            per_domain_.take(domain, now.steady);
}

void ca_limiter::authorization_failed(std::size_t account, const identifier& name, moment now) {
    failures_.take(failures_of(account, name), now.steady);
}

void ca_limiter::require(const std::vector<need>& needs, const std::string& request, moment now) {
    const need* last = nullptr;
    duration longest{};
    for (const auto& each : needs) {
        const auto wait = each.buckets->wait(each.name, now.steady);
        if (wait <= longest)
            continue;
        longest = wait;
        last = &each;
    }
    if (!last)
        return;
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(longest);
    const auto& limit = last->buckets->limit();
    const auto detail = "there were " + std::to_string(limit.count) + " " + last->what + " (" + last->name + ") in " +
        to_text(limit.window) + ", retry after " + to_detail(now.wall + seconds);
    ++violations_;
    latest_.push_back(to_rfc3339(now.wall) + " " + request + ": " + detail);
    if (latest_.size() > latest_max)
        latest_.pop_front();
    fields extra;
    extra.set("Retry-After", std::to_string(seconds.count()));
    throw refusal{acme_problem(429, "rateLimited", detail), std::move(extra)};
}

void ca_limiter::prune(moment now) {
    for (auto* each : {&orders_, &per_domain_, &per_name_set_, &failures_, &accounts_})
        each->prune(now.steady);
}

std::size_t ca_limiter::size() const {
    return orders_.size() + per_domain_.size() + per_name_set_.size() + failures_.size() + accounts_.size();
}

}  // namespace evercert::testing
