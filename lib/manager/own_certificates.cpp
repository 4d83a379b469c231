#include "manager/own_certificates.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <asio/experimental/awaitable_operators.hpp>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/wall_time.hpp"
#include "manager/renewal_plan.hpp"

namespace evercert {
namespace {

bool same_names(const held_certificate& a, const held_certificate& b) {
    const auto &ours = a.names(), &theirs = b.names();
    return std::set<identifier>{ours.begin(), ours.end()} == std::set<identifier>{theirs.begin(), theirs.end()};
}

std::string described(const held_certificate& held) {
    return held.names().empty() ? "clients that send no server name" : to_string(held.names());
}

}  // namespace

own_certificates::own_certificates(
    const manager_context& context, certificate_index& index, std::shared_ptr<worker> blocking)
    : context_{context}, index_{index}, worker_{std::move(blocking)}, changed_{context.strand} {}

// From the application.

void own_certificates::add(std::string_view chain_pem, std::string_view key_pem, own_certificate_options options) {
    entry fresh;
    fresh.held = std::make_shared<const held_certificate>(parse_own(chain_pem, key_pem));
    fresh.options = options;
    take(std::move(fresh));
}

void own_certificates::add_files(certificate_paths paths, own_certificate_options options) {
    const auto content = read_pem_files(*context_.options.disk, paths);
    entry fresh;
    fresh.held = std::make_shared<const held_certificate>(parse_own(content, paths));
    fresh.options = options;
    fresh.paths = std::move(paths);
    fresh.look = file_look{content.digest()};
    take(std::move(fresh));
}

void own_certificates::take(entry fresh) {
    const auto held = fresh.held;
    if (held->names().empty() && !fresh.options.for_no_name)
        throw error{
            errc::invalid_certificate,
            "the certificate has no name that a client can ask for: a DNS name of two labels or more, or an address, "
            "among its subject alternative names; or own_certificate_options::for_no_name"};
    const auto replaces = [&](const entry& there) {
        return fresh.paths || there.paths ? fresh.paths == there.paths
                                          : there.held->type() == held->type() && same_names(*there.held, *held);
    };
    const std::lock_guard lock{mutex_};
    fresh.id = ++last_id_;
    const auto before = std::find_if(entries_.begin(), entries_.end(), replaces);
    const bool replaced = before != entries_.end();
    if (replaced)
        *before = std::move(fresh);
    else if (entries_.size() < context_.options.own_certificates_max)
        entries_.push_back(std::move(fresh));
    else
        throw error{
            errc::invalid_options,
            "there are as many certificates of the application's own as manager_options::own_certificates_max lets"};
    publish(held, replaced);
}

/// Under the mutex, which keeps two changes in their order.
void own_certificates::publish(const held_ptr& fresh, bool replaced) {
    if (fresh && !replaced)
        return index_.publish_own(fresh);
    // What is gone may have stood before others.
    std::vector<held_ptr> all;
    for (const auto& one : entries_)
        all.push_back(one.held);
    index_.replace_own(all);
}

bool own_certificates::remove(const identifier& name) {
    const std::lock_guard lock{mutex_};
    const auto gone = std::erase_if(entries_, [&](const entry& one) {
        const auto& names = one.held->names();
        return std::find(names.begin(), names.end(), name) != names.end();
    });
    if (gone > 0)
        publish(nullptr, true);
    return gone > 0;
}

// To handshakes, and to those who look from outside.

certificate_ptr own_certificates::for_no_name(const certificate_choice& choice) const {
    held_ptr best;
    const std::lock_guard lock{mutex_};
    for (const auto kind : choice)
        for (const auto& one : entries_)
            if (one.options.for_no_name && kind_of(one.held->type()) == kind &&
                (!best || (kind_of(best->type()) == kind && one.held->not_after() > best->not_after())))
                best = one.held;
    return best ? best->get() : nullptr;
}

certificate_status own_certificates::status_of(const entry& one) const {
    const auto now = context_.now();
    const auto& held = *one.held;
    certificate_status status;
    status.names = held.names();
    status.origin = certificate_origin::own;
    status.key = held.type();
    status.state = now >= held.not_after()                           ? certificate_state::expired
        : now >= last_twentieth(held.not_before(), held.not_after()) ? certificate_state::expiring
                                                                     : certificate_state::valid;
    status.not_before = held.not_before();
    status.not_after = held.not_after();
    status.problem = one.problem;
    status.reason = "it is the application's own, and not renewed";
    if (one.paths)
        status.reason += " but read again when " + one.paths->chain + " changes";
    return status;
}

std::vector<certificate_status> own_certificates::status() const {
    std::vector<certificate_status> all;
    const std::lock_guard lock{mutex_};
    for (const auto& one : entries_)
        all.push_back(status_of(one));
    return all;
}

std::optional<certificate_status> own_certificates::status(const held_ptr& held) const {
    const std::lock_guard lock{mutex_};
    const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const entry& one) { return one.held == held; });
    return at == entries_.end() ? std::nullopt : std::optional{status_of(*at)};
}

// What becomes of them.

asio::awaitable<void> own_certificates::watch() {
    using namespace asio::experimental::awaitable_operators;
    for (;;) {
        tell_of_ends();
        co_await look_at_files();
        if (const auto wait = next_look(); wait < duration::max())
            co_await (as_outcome(changed_.wait()) || as_outcome(context_.options.clock->sleep_for(wait)));
        else
            co_await changed_.wait();
    }
}

duration own_certificates::next_look() const {
    const auto now = context_.now();
    auto next = duration::max();
    const std::lock_guard lock{mutex_};
    for (const auto& one : entries_) {
        if (one.paths)
            next = std::min(next, duration{context_.options.certificate_files_interval});
        if (const auto end = next_end(*one.held, one.told))
            next = std::min({next, std::max<duration>(between(now, *end), settle), duration{look_for_ends}});
    }
    return next;
}

own_certificates::entry* own_certificates::find(std::uint64_t id) {
    const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const entry& one) { return one.id == id; });
    return at == entries_.end() ? nullptr : &*at;
}

std::optional<own_certificates::entry> own_certificates::copy(std::uint64_t id) {
    const std::lock_guard lock{mutex_};
    const auto* there = find(id);
    return there ? std::optional{*there} : std::nullopt;
}

asio::awaitable<void> own_certificates::look_at_files() {
    ids all, changing;
    {
        const std::lock_guard lock{mutex_};
        for (const auto& one : entries_)
            if (one.paths)
                all.push_back(one.id);
    }
    for (const auto id : all) {
        const bool again = co_await look_at(id);
        if (again)
            changing.push_back(id);
    }
    if (changing.empty())
        co_return;
    co_await context_.options.clock->sleep_for(settle);
    // What is written all the time is seen in the next round.
    for (const auto id : changing)
        co_await look_at(id);
}

/// True if it has changed, and may be changing still.
asio::awaitable<bool> own_certificates::look_at(std::uint64_t id) {
    const auto known = copy(id);
    if (!known)
        co_return false;
    auto read = [from = context_.options.disk, paths = *known->paths] { return read_pem_files(*from, paths); };
    auto content = co_await worker_->run(std::move(read));
    const auto digest = content.digest();
    auto verdict = file_look::verdict::unchanged;
    {
        const std::lock_guard lock{mutex_};
        if (auto* const there = find(id))
            verdict = there->look.look(digest);
    }
    if (verdict == file_look::verdict::changed)
        co_await reload(*known, std::move(content));
    co_return verdict == file_look::verdict::look_again;
}

asio::awaitable<void> own_certificates::reload(entry changed, pem_content content) {
    auto parse = [content = std::move(content), paths = *changed.paths] { return parse_own(content, paths); };
    auto parsed = co_await as_outcome(worker_->run(std::move(parse)));
    if (parsed.thrown) {
        if (describe(parsed.thrown).is_cancellation())
            std::rethrow_exception(parsed.thrown);
        not_reloaded(changed, parsed.thrown);
        co_return;
    }
    auto fresh = std::make_shared<const held_certificate>(std::move(*parsed.value));
    if (fresh->names().empty() && !changed.options.for_no_name) {
        const error nameless{
            errc::invalid_certificate, changed.paths->chain + ": no client can ask for any of the certificate's names"};
        not_reloaded(changed, std::make_exception_ptr(nameless));
    } else {
        reloaded(changed, std::move(fresh));
    }
}

void own_certificates::reloaded(const entry& changed, const held_ptr& fresh) {
    {
        const std::lock_guard lock{mutex_};
        auto* const there = find(changed.id);
        if (!there)
            return;  // removed meanwhile
        there->held = fresh;
        there->problem.reset();
        there->told = certificate_record::notice::none;
        publish(fresh, true);
    }
    context_.log(
        log_level::info, "{} has changed: the certificate for {} that it has now is served, until {}",
        changed.paths->chain, described(*fresh), to_rfc3339(fresh->not_after()));
    for (const auto what : {event_type::loaded, event_type::published})
        context_.tell(what, fresh->names(), [&](manager_event& event) {
            event.text = changed.paths->chain;
            event.key = fresh->type();
            event.next = fresh->not_after();
        });
    context_.safe.notify();
}

void own_certificates::not_reloaded(const entry& changed, const std::exception_ptr& thrown) {
    const auto why = describe(thrown);
    {
        const std::lock_guard lock{mutex_};
        auto* const there = find(changed.id);
        if (!there)
            return;
        const int failures = there->problem ? there->problem->failures + 1 : 1;
        there->problem = last_problem{failure_class::local, why.text, context_.now(), failures};
    }
    context_.log(
        log_level::error, "{}; the certificate for {} that was there before stays", why.text, described(*changed.held));
    context_.tell(event_type::failed, changed.held->names(), [&](manager_event& event) {
        event.text = why.text;
        event.key = changed.held->type();
        event.failure = failure_class::local;
    });
}

void own_certificates::tell_of_ends() {
    using notice = certificate_record::notice;
    const auto now = context_.now();
    std::vector<entry> told;
    {
        const std::lock_guard lock{mutex_};
        for (auto& one : entries_) {
            const auto before = one.told;
            while (const auto end = next_end(*one.held, one.told)) {
                if (now < *end)
                    break;
                one.told = one.told == notice::none ? notice::expiring : notice::expired;
            }
            if (one.told != before)
                told.push_back(one);
        }
    }
    for (const auto& one : told)
        tell_of_end(one);
}

void own_certificates::tell_of_end(const entry& one) {
    const auto& held = *one.held;
    const bool expired = one.told == certificate_record::notice::expired;
    const auto end = to_rfc3339(held.not_after());
    if (expired)
        context_.log(
            log_level::error, "the application's own certificate for {} expired at {}: add another one",
            described(held), end);
    else
        context_.log(
            log_level::warning, "the application's own certificate for {} expires at {}: nobody renews it here",
            described(held), end);
    context_.tell(expired ? event_type::expired : event_type::expiring, held.names(), [&](manager_event& event) {
        event.text = one.paths ? one.paths->chain : std::string{"the application's own"};
        event.key = held.type();
        event.next = held.not_after();
    });
}

}  // namespace evercert
