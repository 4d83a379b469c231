#include "manager/certificate_shelf.hpp"

#include <utility>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "crypto/verify.hpp"
#include "renewal/schedule.hpp"

namespace evercert {

certificate_shelf::certificate_shelf(
    const manager_context& context, certificate_index& index, renewal_plan& plan, trials& on_trial)
    : context_{context}, index_{index}, plan_{plan}, trials_{on_trial} {}

// From the store.

asio::awaitable<certificate_ptr> certificate_shelf::load(std::string key, std::vector<identifier> names, bool later) {
    if (auto record = co_await stored(key)) {
        try {
            const auto current = context_.all.certificate(key);
            if (!current || current->gives_way_to(*record))
                co_return take_loaded(key, names, std::move(*record));
        } catch (const std::exception& e) {
            context_.log(
                log_level::warning, "the store's certificate for {} is not used: {}", to_string(names), e.what());
        }
    }
    // It may have come into memory while this one waited.
    const auto current = context_.all.certificate(key);
    if (later || !current || current->certificate->not_after() <= context_.now())
        co_return nullptr;
    try {
        co_return current->certificate->get();
    } catch (const error& e) {
        drop_damaged(current->certificate, e);
    }
    co_return nullptr;
}

/// Before names had one of each kind, all were kept as P-256 is.
asio::awaitable<std::optional<certificate_record>> certificate_shelf::stored(std::string key) {
    const auto kind = kind_in(key);
    std::vector<std::string> places{key};
    if (kind != key_kind::ec_p256)
        places.push_back(for_kind(key, key_kind::ec_p256));
    for (const auto& place : places) {
        const auto value = co_await context_.safe.load(place);
        if (!value)
            continue;
        try {
            auto record = read_certificate(*value);
            if (kind_of(record.certificate->type()) == kind)
                co_return record;
        } catch (const std::exception& e) {
            context_.log(log_level::warning, "{} in the store is not used: {}", place, e.what());
        }
    }
    co_return std::nullopt;
}

certificate_ptr certificate_shelf::take_loaded(
    const std::string& key, const std::vector<identifier>& names, certificate_record record) {
    auto loaded = record.certificate->get();
    // What is not valid yet is evidence against our clock: it is served.
    verify_servable(*loaded, names, std::max(context_.now(), loaded->not_before()));
    publish(key, std::move(record), event_type::loaded);
    return loaded;
}

asio::awaitable<void> certificate_shelf::load_each() {
    auto keys = co_await context_.safe.list(std::string{certificates_prefix});
    std::exception_ptr unread;
    // From the end, and each goes as it is read: the list's memory becomes that of what is loaded.
    for (; !keys.empty(); keys.pop_back()) {
        if (context_.all.certificate(keys.back()))
            continue;
        auto loaded = co_await as_outcome(load_one(keys.back()));
        if (!loaded.thrown)
            continue;
        if (describe(loaded.thrown).is_cancellation())
            std::rethrow_exception(loaded.thrown);
        // A file that cannot be read, such as a link, must not keep the others from being renewed.
        unread = loaded.thrown;
    }
    if (unread)
        std::rethrow_exception(unread);
}

asio::awaitable<void> certificate_shelf::load_one(std::string key) {
    const auto value = co_await context_.safe.load(key);
    if (!value || context_.all.certificate(key))
        co_return;
    std::string misplaced;
    try {
        auto record = read_certificate(*value);
        if (const auto kind = kind_of(record.certificate->type()); kind != kind_in(key))
            misplaced = std::exchange(key, for_kind(key, kind));
        if (!misplaced.empty() && context_.all.certificate(key))
            co_return;
        // When to ask is not written down each time, so after a restart all would be asked for at once.
        if (context_.options.renewal_info && record.poll_at.value_or(record.obtained) <= context_.now())
            record.poll_at = context_.now() + std::chrono::duration_cast<duration>(record.draw * polls_spread);
        index_.publish(record.certificate);
        context_.all.set_certificate(key, std::move(record));
        plan_.plan(key);
    } catch (const std::exception& e) {
        context_.log(log_level::error, "{} in the store is not used: {}", key, e.what());
    }
    if (!misplaced.empty())
        co_await move_to(std::move(key), std::move(misplaced));
}

/// To where its kind of key is kept.
asio::awaitable<void> certificate_shelf::move_to(std::string to, std::string from) {
    if (!context_.all.certificate(to))
        co_return;  // damaged
    const auto there = co_await context_.safe.load(to);
    if (there)
        co_return;  // and is loaded in its turn
    co_await context_.safe.save(to);
    if (!context_.safe.is_unsaved(to) && !context_.all.certificate(from))
        context_.safe.mark_unsaved(from);
}

// Into handshakes.

asio::awaitable<certificate_ptr> certificate_shelf::keep(std::string key, certificate_record fresh, vault_lease held) {
    const auto before = context_.all.certificate(key);
    const auto obtained = fresh.certificate->get();
    context_.all.set_certificate(key, fresh);
    const auto kept = co_await context_.safe.save(key, std::move(held));
    if (kept == vault::kept::lease_lost) {
        // Who had the lease since may have saved a later one.
        const auto later = co_await as_outcome(load(key, fresh.names(), true));
        if (!later.thrown && *later.value)
            co_return *later.value;
        context_.safe.mark_unsaved(key);
    }
    publish(key, fresh, event_type::published);
    // Clients show whether they take what was published over a certificate that is still good.
    if (before && before->certificate->not_after() > context_.now())
        trials_.begin(key, obtained, *before);
    co_return obtained;
}

void certificate_shelf::publish(const std::string& key, certificate_record record, event_type how) {
    const auto names = record.names();
    const auto held = record.certificate;
    trials_.forget(key);
    context_.all.set_certificate(key, std::move(record));
    index_.publish(held);
    context_.all.with_failures([&](failure_book& book) { return book.forget(key); });
    context_.save_failures();
    plan_.plan(key);
    context_.safe.notify();
    if (how == event_type::loaded)
        context_.tell(event_type::loaded, names, [&](manager_event& event) { event.key = held->type(); });
    context_.tell(event_type::published, names, [&](manager_event& event) {
        event.key = held->type();
        if (const auto parsed = held->if_parsed())
            event.serial = parsed->serial();
        event.next = held->not_after();
    });
}

void certificate_shelf::roll_back(const certificate_ptr& fresh) {
    auto ended = trials_.take(fresh);
    if (!ended)
        return;
    // Who rejects the new one may be anybody; with the end of the one before all clients would be lost.
    const auto& before = *ended->before.certificate;
    if (context_.now() >= last_twentieth(before.not_before(), before.not_after()))
        return;
    const auto failed = context_.all.certificate(ended->key);
    if (!failed)
        return;
    const auto names = ended->before.names();
    const auto text = fmt::format(
        "{} clients rejected the new certificate for {}, serial {}: the one before is served again",
        context_.options.rejections_max, to_string(names), fresh->serial());
    context_.log(log_level::error, "{}", text);
    index_.put_back(ended->before.certificate, failed->certificate);
    ended->before.rejected = failed->certificate;
    context_.all.set_certificate(ended->key, ended->before);
    failure rejected;
    rejected.code = errc::invalid_certificate;
    rejected.text = text;
    rejected.kind = failure_class::our_mistake;
    const auto now = context_.counted_time();
    context_.all.with_failures([&](failure_book& book) {
        // Counted apart: what is published is no failure any more, but one that clients reject again is one more in a row.
        const auto again = book.remember(trial_key(ended->key), rejected, now, context_.draws.share());
        book.refuse(ended->key, rejected, now, again.retry_at);
    });
    context_.save_soon(ended->key);
    context_.save_failures();
    plan_.plan_after_failure(ended->key);
    context_.tell(event_type::rolled_back, names, [&](manager_event& event) {
        event.text = text;
        event.key = fresh->key().type();
        event.serial = fresh->serial();
    });
}

void certificate_shelf::publish_all() {
    const auto keys = context_.all.certificate_keys();
    std::vector<held_ptr> all;
    for (const auto& key : keys)
        if (const auto record = context_.all.certificate(key))
            all.push_back(record->certificate);
    index_.replace(all);
    // What was obtained between the look and the replacement.
    for (const auto& key : context_.all.certificate_keys())
        if (const auto record = context_.all.certificate(key))
            index_.publish(record->certificate);
}

// And away.

void certificate_shelf::drop_damaged(const held_ptr& damaged, const error& why) {
    const auto names = damaged->names();
    const auto text = fmt::format("the certificate for {} is damaged and dropped: {}", to_string(names), why.what());
    context_.log(log_level::error, "{}", text);
    index_.remove(damaged);
    if (const auto key = context_.all.key_of(damaged))
        context_.all.forget_certificate(*key);
    context_.tell(event_type::failed, names, [&](manager_event& event) {
        event.failure = failure_class::local;
        event.key = damaged->type();
        event.text = text;
    });
}

asio::awaitable<void> certificate_shelf::forget(std::string key) {
    const auto record = context_.all.certificate(key);
    if (!record)
        co_return;
    // Another process may have renewed it, or be about to.
    auto held = co_await context_.safe.lock(key, forget_lease);
    auto work = remove_unless_renewed(std::move(key), *record);
    co_await context_.safe.unlock_after(std::move(held), std::move(work));
}

asio::awaitable<bool> certificate_shelf::remove_unless_renewed(std::string key, certificate_record gone) {
    const auto later = co_await load(key, gone.names(), true);
    if (!later)
        co_await remove(std::move(key), std::move(gone));
    co_return later == nullptr;
}

asio::awaitable<void> certificate_shelf::remove(std::string key, certificate_record gone) {
    context_.log(log_level::warning, "the certificate for {} ended long ago and is removed", to_string(gone.names()));
    context_.all.forget_certificate(key);
    index_.remove(gone.certificate);
    plan_.take(key);
    context_.all.with_failures([&](failure_book& book) { return book.forget(key); });
    trials_.forget(key);
    context_.tell(
        event_type::forgotten, gone.names(), [&](manager_event& event) { event.key = gone.certificate->type(); });
    co_await context_.safe.remove(std::move(key));
}

}  // namespace evercert
