#include "manager/status.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include <asio/post.hpp>

#include "base/wall_time.hpp"
#include "manager/impl.hpp"
#include "manager/renewal_plan.hpp"

namespace evercert {
namespace {

std::optional<last_problem> problem_of(const manager_context& context, const std::string& key) {
    return context.all.with_failures([&](const failure_book& book) {
        std::optional<last_problem> problem;
        if (const auto* last = book.last(key))
            problem = last_problem{last->kind, last->text, last->at, last->failures};
        return problem;
    });
}

certificate_state state_of(const manager_context& context, const std::string& key, const held_certificate& held) {
    if (held.not_after() <= context.now())
        return certificate_state::expired;
    if (context.all.in_progress(key))
        return certificate_state::renewing;
    return context.now() >= last_twentieth(held.not_before(), held.not_after()) ? certificate_state::expiring
                                                                                : certificate_state::valid;
}

/// What holds up a certificate that is on its way.
void tell_of_flight(const manager_context& context, const flight_status& flight, certificate_status& status) {
    if (!flight.held_up_until)
        return;
    const auto wait = *flight.held_up_until - context.options.clock->steady();
    status.next_at = plus(context.now(), std::max<duration>(wait, {}));
    status.reason = "our own limits hold its order up";
}

/// What failed and has no certificate.
class missing_certificate {
public:
    std::string key;
    std::vector<identifier> names;
};

std::vector<missing_certificate> missing(const state& all) {
    auto failed = all.with_failures([](const failure_book& book) {
        std::vector<missing_certificate> found;
        for (const auto& rest : book.keys(certificates_prefix)) {
            auto key = std::string{certificates_prefix} + rest;
            auto names = book.last(key)->names;
            // Of one name, which its key says.
            const auto plain = for_kind(key, key_kind::ec_p256).substr(certificates_prefix.size());
            if (const auto name = identifier::parse(plain); names.empty() && name)
                names.push_back(*name);
            if (!names.empty())
                found.push_back({std::move(key), std::move(names)});
        }
        return found;
    });
    std::erase_if(failed, [&](const auto& one) { return all.certificate(one.key).has_value(); });
    return failed;
}

}  // namespace

certificate_status status_of(const manager_context& context, const std::string& key, const certificate_record& record) {
    auto facts = facts_of(context, key, record);
    const auto poll_at = std::exchange(facts.poll_at, std::nullopt);
    const auto next = plan_next(facts, context.now(), context.options.retry);
    certificate_status status;
    status.names = record.names();
    status.key = record.certificate->type();
    status.state = state_of(context, key, *record.certificate);
    status.not_before = record.certificate->not_before();
    status.not_after = record.certificate->not_after();
    status.problem = problem_of(context, key);
    status.next = next.act;
    if (next.act != next_act::none)
        status.next_at = next.at;
    status.reason = explain(next, facts);
    if (const auto flight = context.all.flight(key))
        tell_of_flight(context, *flight, status);
    if (poll_at && next.act == next_act::renew && *poll_at < next.at)
        status.poll_at = poll_at;
    status.saved = !context.safe.is_unsaved(key);
    return status;
}

certificate_status status_without_certificate(
    const manager_context& context, const std::string& key, const std::vector<identifier>& names,
    const std::optional<order_limits::hold>& hold) {
    certificate_status status;
    status.key = context.wanted(kind_in(key));
    status.names = names;
    status.next = next_act::obtain;
    status.reason = "nobody has asked for it yet";
    status.problem = problem_of(context, key);
    if (const auto flight = context.all.flight(key)) {
        status.state = certificate_state::obtaining;
        status.reason = "its order is in progress";
        tell_of_flight(context, *flight, status);
    } else if (status.problem) {
        status.state = certificate_state::failed;
        status.next_at = context.all.with_failures([&](const failure_book& book) {
            const auto* last = book.last(key);
            return last ? std::optional{last->retry_at} : std::nullopt;
        });
        // No client asks for a set.
        status.reason = names.size() > 1
            ? "the last attempt failed; the next call of manage() tries it again"
            : "the last attempt failed; from then on the next client that asks for it has it tried again";
    } else if (hold) {
        status.next_at = hold->until;
        status.reason += ", and who does until then is refused: " + hold->because;
    }
    return status;
}

issue_answer manager::impl::can_issue(const std::vector<identifier>& names) const {
    if (names.empty())
        throw error{errc::invalid_options, "a certificate has at least one name"};
    return limits.can_issue(names, certificates.kind_of(certificate_key(names, context.preferred()), names));
}

void manager::impl::forget_failures(const identifier& name) {
    asio::post(strand, [self = shared_from_this(), name] { self->certificates.forget_failures(name); });
}

certificate_status manager::impl::without_certificate(
    const std::string& key, const std::vector<identifier>& names) const {
    const auto hold = limits.holds(names, certificates.kind_of(key, names), options.handshake_wait);
    return status_without_certificate(context, key, names, hold);
}

std::optional<certificate_status> manager::impl::status(const identifier& name) const {
    if (const auto held = index.find_held(name)) {
        if (const auto one = own.status(held))
            return one;
        if (const auto key = all.key_of(held))
            if (const auto record = all.certificate(*key))
                return status_of(context, *key, *record);
    }
    auto without = without_certificate(certificate_key({name}, context.preferred()), {name});
    if (without.state == certificate_state::not_asked_for)
        for (const auto& [key, names] : missing(all))
            if (std::find(names.begin(), names.end(), name) != names.end())
                return without_certificate(key, names);
    if (!all.lists(name) && without.state == certificate_state::not_asked_for)
        return std::nullopt;
    return without;
}

manager_status manager::impl::status() const {
    manager_status status;
    status.at = context.now();
    status.directory_url = options.directory_url;
    if (const auto account = all.account())
        status.account_url = account->url;
    status.clock_doubt = clock.doubt();
    status.limiters = limits.status();
    status.replacement = renewals.replacement();
    const auto totals = all.with_ledger([](const ledger& book) { return book.totals(); });
    status.ordered = totals.ordered;
    status.issued = totals.issued;
    status.failed_validations = totals.failed;
    std::set<identifier> seen;
    for (const auto& key : all.certificate_keys())
        if (const auto record = all.certificate(key)) {
            seen.insert(record->names().begin(), record->names().end());
            status.certificates.push_back(status_of(context, key, *record));
        }
    for (const auto& [key, names] : missing(all)) {
        // As a part of a set it has one with such a key.
        if (names.size() == 1 && index.find_held(names.front(), preferred.of(kind_in(key))))
            continue;
        seen.insert(names.begin(), names.end());
        status.certificates.push_back(without_certificate(key, names));
    }
    for (auto& one : own.status()) {
        seen.insert(one.names.begin(), one.names.end());
        status.certificates.push_back(std::move(one));
    }
    for (const auto& name : all.hosts().names)
        if (!seen.contains(name))
            status.certificates.push_back(without_certificate(certificate_key({name}, context.preferred()), {name}));
    std::sort(status.certificates.begin(), status.certificates.end(), [](const auto& a, const auto& b) {
        return std::tie(a.names, a.origin, a.key) < std::tie(b.names, b.origin, b.key);
    });
    return status;
}

}  // namespace evercert
