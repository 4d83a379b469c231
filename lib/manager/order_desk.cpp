#include "manager/order_desk.hpp"

#include <utility>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "issuance/make_key.hpp"

namespace evercert {

order_desk::order_desk(
    const manager_context& context, account_keeper& accounts, clock_guard& clock, order_limits& limits,
    std::shared_ptr<worker> blocking, issuer orders_by)
    : context_{context},
      accounts_{accounts},
      clock_{clock},
      limits_{limits},
      worker_{std::move(blocking)},
      issuer_{std::move(orders_by)} {}

asio::awaitable<order_desk::fulfilled> order_desk::place(
    std::string key, std::vector<identifier> names, key_type with, course& so_far) {
    auto& learned = so_far.learned_;
    const auto client = co_await accounts_.client();
    so_far.client_ = client;
    // Its answer has the CA's date.
    co_await client->directory();
    clock_.observe(*client);
    clock_.require();
    if (auto found = co_await resume_pending(key, names, client))
        co_return *found;
    const auto kind = kind_of(key, names);
    limits_.order(names, kind);
    const auto current = context_.all.certificate(key);
    const issuer::step kept = [this, names, kind] { return limits_.order_kept(names, kind); };
    auto placed = co_await as_outcome(issuer_.place(*client, names, replaces(key), learned, kept));
    limits_.validated(names, learned.not_authorized);
    if (learned.not_a_replacement && current)
        note_not_replaceable(key, current->certificate);
    if (placed.thrown)
        limits_.not_issued(names, kind);  // nothing was finalized
    auto ready = placed.get();
    auto its_key = co_await make_key(worker_, with);
    co_await save_pending(key, ready.url, its_key, kind.replaces);
    auto completed = co_await as_outcome(issuer_.complete(*client, std::move(ready), std::move(its_key), names));
    if (completed.thrown && describe(completed.thrown).code == errc::order_invalid) {
        limits_.not_issued(names, kind);
        co_await drop_pending(std::move(key));
    }
    co_return fulfilled{completed.get(), kind};
}

bool order_desk::tries_again(course& so_far, std::exception_ptr thrown) {
    const auto failed = describe(thrown);
    if (failed.is_cancellation())
        return false;
    // Once: the next attempt may end before it places an order, and teach nothing.
    if (std::exchange(so_far.learned_.try_again, false))
        return true;
    if (so_far.registered_again_ || failed.code != errc::account_does_not_exist)
        return false;
    context_.log(log_level::warning, "the CA has forgotten the account; registering its key again");
    accounts_.forget(so_far.client_);
    return so_far.registered_again_ = true;
}

asio::awaitable<void> order_desk::save_pending(
    std::string key, std::string order_url, private_key its_key, bool replaces) {
    const auto at = pending_key(key);
    pending_order order{
        context_.options.directory_url, std::move(order_url), std::move(its_key), context_.now(), replaces};
    context_.all.set_pending(at, std::move(order));
    co_await context_.safe.save(at);
}

asio::awaitable<void> order_desk::drop_pending(std::string key) {
    auto at = pending_key(key);
    context_.all.forget_pending(at);
    // Not later: without the lease it might be the next one's.
    co_await context_.safe.remove_now(std::move(at));
}

asio::awaitable<std::optional<order_desk::fulfilled>> order_desk::resume_pending(
    std::string key, std::vector<identifier> names, std::shared_ptr<acme::client> client) {
    const auto at = pending_key(key);
    auto pending = context_.all.pending(at);
    if (!pending) {
        const auto stored = co_await context_.safe.load(at);
        if (!stored)
            co_return std::nullopt;
        try {
            pending = read_pending(*stored);
            context_.all.set_pending(at, *pending);
        } catch (const error& e) {
            context_.log(log_level::warning, "the pending order {} is not used: {}", at, e.what());
        }
    }
    if (!pending)
        co_return std::nullopt;
    // What it came to was saved, and then the end came before the order could be removed.
    const auto current = context_.all.certificate(key);
    const bool over = current && current->certificate->key_pem() == pending->key.to_pem();
    certificate_ptr found;
    // Before names had one certificate of each kind, an order was for any.
    const bool of_kind = evercert::kind_of(pending->key.type()) == kind_in(key);
    if (!over && of_kind && pending->directory_url == context_.options.directory_url) {
        const auto age = context_.now() - pending->at;
        const bool hangs = age < duration{} || age > issuer::processing_max;
        const bool may_be_good = age >= duration{} && age <= issuer::lookup_max;
        auto resumed = co_await as_outcome(issuer_.resume(*client, pending->url, pending->key, names, !hangs));
        // The CA is down, so the order may be good all the same; but not for ever.
        if (resumed.thrown && (may_be_good || describe(resumed.thrown).is_cancellation()))
            std::rethrow_exception(resumed.thrown);
        if (!resumed.thrown)
            found = std::move(*resumed.value);
    }
    auto kind = kind_of(key, names);
    kind.replaces = pending->replaces;
    if (found)
        co_return fulfilled{std::move(found), kind};
    if (!over && pending->directory_url == context_.options.directory_url)
        limits_.may_be_issued(names, kind);
    co_await drop_pending(std::move(key));
    co_return std::nullopt;
}

void order_desk::note_not_replaceable(const std::string& key, const held_ptr& refused) {
    auto record = context_.all.certificate(key);
    if (!record || record->certificate != refused)
        return;
    record->not_replaceable = true;
    context_.all.set_certificate(key, std::move(*record));
}

std::string order_desk::replaces(const std::string& key) const {
    const auto record = context_.all.certificate(key);
    if (!record || record->not_replaceable || record->directory_url != context_.options.directory_url ||
        !context_.options.renewal_info)
        return {};
    // A CA that stumbles over it may say so in any way: after some failures the order goes without.
    const bool failed_with_it = context_.all.with_failures([&](const failure_book& book) {
        const auto* last = book.last(key);
        return last && last->failures >= replaces_failures_max;
    });
    return failed_with_it ? std::string{} : record->certificate->renewal_id().value_or("");
}

order_kind order_desk::kind_of(const std::string& key, const std::vector<identifier>& names) const {
    order_kind kind;
    const auto record = context_.all.certificate(key);
    kind.renewal = record.has_value();
    // With whatever key.
    for (const auto type : context_.options.key_types) {
        const auto other = context_.all.certificate(for_kind(key, evercert::kind_of(type)));
        kind.repeats = kind.repeats || (other && limits_.is_repeat(*other, names));
    }
    kind.replaces = !replaces(key).empty();
    return kind;
}

}  // namespace evercert
