#include "manager/certificate_keeper.hpp"

#include <random>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "crypto/certificate_id.hpp"
#include "issuance/make_key.hpp"
#include "tls/trial_handshake.hpp"

namespace evercert {
namespace {

double draw() {
    static thread_local std::mt19937_64 engine{std::random_device{}()};
    return std::uniform_real_distribution<double>{0, 1}(engine);
}

bool is_own_limit(const failure& what) { return what.code == errc::rate_limited && !what.from_ca; }

/// Of the rollbacks in a row among the failures.
std::string trial_key(const std::string& certificate_key) { return "trial/" + certificate_key; }

/// Marked in the state as being ordered, for those who look from outside.
class in_progress_mark {
public:
    in_progress_mark(state& all, std::string key) : all_{all}, key_{std::move(key)} {
        all_.set_in_progress(key_, true);
    }
    ~in_progress_mark() { all_.set_in_progress(key_, false); }
    in_progress_mark(const in_progress_mark&) = delete;

private:
    state& all_;
    std::string key_;
};

}  // namespace

certificate_keeper::certificate_keeper(
    const manager_context& context, certificate_index& index, account_keeper& accounts, clock_guard& clock,
    order_limits& limits, renewal_plan& plan, trials& on_trial, std::shared_ptr<worker> blocking, issuer orders_by)
    : context_{context},
      index_{index},
      accounts_{accounts},
      clock_{clock},
      limits_{limits},
      plan_{plan},
      trials_{on_trial},
      worker_{std::move(blocking)},
      issuer_{std::move(orders_by)},
      admissions_{context},
      in_progress_{context.strand, context.options.orders_in_progress_max},
      flights_{context.strand, context.tasks, {context.options.waiters_per_name_max, context.options.waiters_max}},
      restoring_{context.strand, context.tasks, {context.options.waiters_max, context.options.waiters_max}} {}

// The ways in.

asio::awaitable<certificate_ptr> certificate_keeper::obtain(std::vector<identifier> names) {
    job wanted{std::move(names), purpose::application};
    auto first = co_await as_outcome(join(wanted));
    // The flight may have been a handshake's, which does not wait for our limits as an application does.
    if (first.thrown && is_own_limit(describe(first.thrown)) && limits_.can_issue(wanted.names, kind_of(wanted)).now)
        co_return co_await join(std::move(wanted));
    co_return first.get();
}

asio::awaitable<certificate_ptr> certificate_keeper::obtain_for_handshake(identifier name) {
    // What is known is refused here: a flood of such names starts no flights.
    if (admissions_.known(name) == admission_desk::answer::no) {
        context_.tell(event_type::refused, {name});
        throw admission_desk::refusal(name);
    }
    std::vector<identifier> names{name};
    job wanted{std::move(names), purpose::handshake};
    refuse_failed(wanted);
    co_return co_await join(std::move(wanted));
}

asio::awaitable<void> certificate_keeper::obtain_in_background(identifier name) {
    // A client decides how often this happens: what there is to tell was told by the flight.
    const auto result = co_await as_outcome(obtain_for_handshake(name));
    if (result.thrown)
        context_.log(log_level::debug, "no certificate for {}: {}", name.value(), describe(result.thrown).text);
}

asio::awaitable<void> certificate_keeper::renew(std::string key) {
    const auto record = context_.all.certificate(key);
    if (!record)
        co_return;
    context_.log(log_level::info, "renewing the certificate for {}", to_string(record->names()));
    const job due{std::move(key), record->names(), purpose::renewal};
    const auto result = co_await as_outcome(join(due));
    // A success planned it. The flight may have been a handshake's, which knows nothing of the plan.
    if (result.thrown)
        plan_.plan_after_failure(due.key);
}

asio::awaitable<certificate_ptr> certificate_keeper::join(job wanted) {
    auto key = wanted.key;
    auto start = [this, &wanted] { return fly(std::move(wanted)); };
    co_return co_await flights_.run(std::move(key), start);
}

// One flight.

asio::awaitable<certificate_ptr> certificate_keeper::fly(job wanted) {
    const in_progress_mark marked{context_.all, wanted.key};
    auto result = co_await as_outcome(fetch(wanted));
    if (result.thrown && wanted.why == purpose::renewal)
        remember_failure(wanted, result.thrown);
    co_return result.get();
}

asio::awaitable<certificate_ptr> certificate_keeper::fetch(job wanted) {
    if (wanted.why != purpose::renewal)
        if (auto loaded = co_await load(wanted))
            co_return loaded;
    co_await restore_memory();
    if (wanted.why != purpose::renewal) {
        for (const auto& name : wanted.names)
            co_await admissions_.admit(name);
        refuse_failed(wanted);
    }
    if (wanted.why == purpose::handshake)
        clock_.require();
    else
        co_await clock_.wait_until_trusted();
    // Before the lock: a lease is no place to wait in.
    const auto longest =
        wanted.why == purpose::handshake ? duration{context_.options.handshake_wait} : order_limits::no_end;
    co_await limits_.pass(wanted.names, kind_of(wanted), longest);
    auto result = co_await as_outcome(attempt(wanted));
    if (result.thrown && wanted.why != purpose::renewal)
        remember_failure(wanted, result.thrown);
    co_return result.get();
}

asio::awaitable<certificate_ptr> certificate_keeper::attempt(job wanted) {
    // Two challenges, each in an order of its own.
    const auto length = std::chrono::ceil<std::chrono::seconds>(2 * context_.options.order_timeout);
    const auto permit = co_await in_progress_.acquire();
    auto held = co_await context_.safe.lock(wanted.key, length);
    auto work = load_or_order(std::move(wanted), held);
    co_return co_await context_.safe.unlock_after(std::move(held), std::move(work));
}

asio::awaitable<certificate_ptr> certificate_keeper::load(const job& wanted) {
    const auto stored = co_await context_.safe.load(wanted.key);
    if (!stored)
        co_return nullptr;
    const auto current = context_.all.certificate(wanted.key);
    try {
        auto record = read_certificate(*stored);
        if (current && record.certificate->not_after() <= current->certificate->not_after()) {
            // It may have come into memory while this one waited.
            if (wanted.why == purpose::renewal || current->certificate->not_after() <= context_.now())
                co_return nullptr;
            co_return current->certificate->get();
        }
        auto loaded = record.certificate->get();
        // What is not valid yet is evidence against our clock: it is served.
        verify_servable(*loaded, wanted.names, std::max(context_.now(), loaded->not_before()));
        publish(wanted.key, std::move(record), event_type::loaded);
        co_return loaded;
    } catch (const std::exception& e) {
        context_.log(
            log_level::warning, "the store's certificate for {} is not used: {}", to_string(wanted.names), e.what());
    }
    co_return nullptr;
}

asio::awaitable<certificate_ptr> certificate_keeper::load_or_order(job wanted, vault_lease held) {
    // Another machine may have been faster.
    if (auto loaded = co_await load(wanted))
        co_return loaded;
    auto obtained = co_await order(wanted);
    try {
        verify_in_handshake(obtained, wanted.names.front(), context_.now());
    } catch (const error&) {
        drop_pending(wanted.key);  // its certificate will not be better the next time
        throw;
    }
    auto record = make_record(wanted, obtained);
    const auto before = context_.all.certificate(wanted.key);
    limits_.issued(wanted.names, kind_of(wanted));
    context_.tell(before ? event_type::renewed : event_type::obtained, wanted.names, [&](manager_event& event) {
        event.serial = obtained->serial();
    });
    context_.all.set_certificate(wanted.key, record);
    co_await context_.safe.save(wanted.key, std::move(held));
    drop_pending(wanted.key);
    publish(wanted.key, record, event_type::published);
    try_out(wanted.key, before, record);
    co_return obtained;
}

certificate_record certificate_keeper::make_record(const job& wanted, const certificate_ptr& obtained) const {
    certificate_record record{wanted.names, std::make_shared<const held_certificate>(obtained), draw()};
    record.obtained = context_.now();
    record.directory_url = context_.options.directory_url;
    try {
        record.renewal_id = certificate_id(obtained->native_handle());
    } catch (const error&) {
        // Without an authority key identifier it cannot be named (RFC 9773, section 4.1).
    }
    return record;
}

// The order.

asio::awaitable<certificate_ptr> certificate_keeper::order(job wanted) {
    issuer::lessons learned;
    bool registered_again = false;
    for (bool first = true;; first = false) {
        if (!first)
            co_await limits_.pass_again(wanted.names, kind_of(wanted));
        auto result = co_await as_outcome(order_once(wanted, learned));
        if (!result.thrown)
            co_return *result.value;
        limits_.failed(learned.not_authorized);
        const auto failed = describe(result.thrown);
        if (learned.try_again) {
            context_.log(
                log_level::warning, "the challenge for {} failed; trying another one", to_string(wanted.names));
        } else if (!registered_again && failed.code == errc::account_does_not_exist) {
            context_.log(log_level::warning, "the CA has forgotten the account; registering its key again");
            accounts_.forget();
            registered_again = true;
        } else {
            std::rethrow_exception(result.thrown);
        }
    }
}

asio::awaitable<certificate_ptr> certificate_keeper::order_once(job wanted, issuer::lessons& learned) {
    // What the attempt before taught stays, what came of it does not.
    learned.try_again = false;
    learned.not_authorized.clear();
    learned.not_a_replacement = false;
    const auto client = co_await accounts_.client();
    // Its answer has the CA's date.
    co_await client->directory();
    clock_.observe(*client);
    clock_.require();
    if (auto found = co_await resume_pending(wanted, client))
        co_return found;
    auto kind = kind_of(wanted);
    limits_.order(wanted.names, kind);
    auto placed = co_await as_outcome(issuer_.place(*client, wanted.names, replaces(wanted), learned));
    if (learned.not_a_replacement) {
        kind.replaces = false;
        limits_.ordered(wanted.names, kind);
    }
    if (placed.thrown)
        limits_.not_issued(wanted.names, kind);  // nothing was finalized
    auto ready = placed.get();
    auto key = co_await make_key(worker_, context_.options.certificate_key);
    co_await save_pending(wanted.key, ready.url, key);
    auto completed = co_await as_outcome(issuer_.complete(*client, std::move(ready), std::move(key), wanted.names));
    if (completed.thrown && describe(completed.thrown).code == errc::order_invalid) {
        limits_.not_issued(wanted.names, kind);
        drop_pending(wanted.key);
    }
    co_return completed.get();
}

asio::awaitable<void> certificate_keeper::save_pending(std::string key, std::string order_url, private_key its_key) {
    const auto at = pending_key(key);
    context_.all.set_pending(
        at, {context_.options.directory_url, std::move(order_url), std::move(its_key), context_.now()});
    co_await context_.safe.save(at);
}

void certificate_keeper::drop_pending(const std::string& certificate_key) {
    const auto at = pending_key(certificate_key);
    context_.all.forget_pending(at);
    context_.save_soon(at);
}

asio::awaitable<certificate_ptr> certificate_keeper::resume_pending(job wanted, std::shared_ptr<acme::client> client) {
    const auto at = pending_key(wanted.key);
    auto pending = context_.all.pending(at);
    if (!pending) {
        const auto stored = co_await context_.safe.load(at);
        if (!stored)
            co_return nullptr;
        try {
            pending = read_pending(*stored);
            context_.all.set_pending(at, *pending);
        } catch (const error& e) {
            context_.log(log_level::warning, "the pending order {} is not used: {}", at, e.what());
        }
    }
    if (!pending)
        co_return nullptr;
    // What it came to was saved, and then the end came before the order could be removed.
    const auto current = context_.all.certificate(wanted.key);
    const bool over = current && current->certificate->key_pem() == pending->key.to_pem();
    certificate_ptr found;
    if (!over && pending->directory_url == context_.options.directory_url) {
        const auto age = context_.now() - pending->at;
        const bool hangs = age < duration{} || age > issuer::processing_max;
        auto resumed = co_await as_outcome(issuer_.resume(*client, pending->url, pending->key, wanted.names, !hangs));
        // The CA is down, so the order may be good all the same; but not for ever.
        if (resumed.thrown && (!hangs || describe(resumed.thrown).is_cancellation()))
            std::rethrow_exception(resumed.thrown);
        if (!resumed.thrown)
            found = std::move(*resumed.value);
    }
    if (!found)
        drop_pending(wanted.key);
    co_return found;
}

std::string certificate_keeper::replaces(const job& wanted) const {
    const auto record = context_.all.certificate(wanted.key);
    std::string id;
    // A CA that stumbles over it may say so in any way: after some failures the order goes without.
    const bool failed_with_it = context_.all.with_failures([&](const failure_book& book) {
        const auto* last = book.last(wanted.key);
        return last && last->failures >= replaces_failures_max;
    });
    if (context_.options.renewal_info && record && record->directory_url == context_.options.directory_url &&
        !failed_with_it)
        id = record->renewal_id;
    return id;
}

order_kind certificate_keeper::kind_of(const std::vector<identifier>& names) const {
    return kind_of(job{names, purpose::application});
}

order_kind certificate_keeper::kind_of(const job& wanted) const {
    order_kind kind;
    const auto record = context_.all.certificate(wanted.key);
    kind.renewal = record.has_value();
    kind.repeats = record && limits_.is_repeat(*record, wanted.names);
    kind.replaces = !replaces(wanted).empty();
    return kind;
}

// What comes of it.

void certificate_keeper::publish(const std::string& key, certificate_record record, event_type how) {
    const auto names = record.names();
    const auto held = record.certificate;
    context_.all.set_certificate(key, std::move(record));
    index_.publish(held);
    context_.all.with_failures([&](failure_book& book) { return book.forget(key); });
    context_.save_failures();
    plan_.plan(key);
    context_.safe.notify();
    if (how == event_type::loaded)
        context_.tell(event_type::loaded, names);
    context_.tell(event_type::published, names, [&](manager_event& event) {
        if (const auto parsed = held->if_parsed())
            event.serial = parsed->serial();
        event.next = held->not_after();
    });
}

/// Clients show whether they take what was published over a certificate that is still good.
void certificate_keeper::try_out(
    const std::string& key, const std::optional<certificate_record>& before, const certificate_record& now) {
    if (before && before->certificate->not_after() > context_.now())
        trials_.begin(key, now.certificate->get(), *before);
}

void certificate_keeper::roll_back(const certificate_ptr& fresh) {
    auto ended = trials_.take(fresh);
    if (!ended || ended->before.certificate->not_after() <= context_.now())
        return;
    const auto names = ended->before.names();
    const auto text = fmt::format(
        "{} clients rejected the new certificate for {}, serial {}: the one before is served again",
        context_.options.rejections_max, to_string(names), fresh->serial());
    context_.log(log_level::error, "{}", text);
    index_.put_back(ended->before.certificate);
    if (const auto failed = context_.all.certificate(ended->key))
        index_.remove(failed->certificate);
    context_.all.set_certificate(ended->key, ended->before);
    failure rejected;
    rejected.code = errc::invalid_certificate;
    rejected.text = text;
    rejected.kind = failure_class::our_mistake;
    context_.all.with_failures([&](failure_book& book) {
        // Counted apart: what is published is no failure any more, but one that clients reject again is one more in a row.
        const auto again = book.remember(trial_key(ended->key), rejected, context_.now(), draw());
        book.refuse(ended->key, rejected, context_.now(), again.retry_at);
    });
    context_.save_soon(ended->key);
    context_.save_failures();
    plan_.plan_after_failure(ended->key);
    context_.tell(event_type::rolled_back, names, [&](manager_event& event) {
        event.text = text;
        event.serial = fresh->serial();
    });
}

void certificate_keeper::refuse_failed(const job& wanted) const {
    const auto now = context_.now();
    const auto thrown = context_.all.with_failures([&](const failure_book& book) -> std::exception_ptr {
        const auto* failed = book.find(wanted.key, now);
        if (!failed || (wanted.why == purpose::application && !failed->ordered()))
            return nullptr;
        return as_exception(*failed, now);
    });
    if (thrown)
        std::rethrow_exception(thrown);
}

void certificate_keeper::remember_failure(const job& wanted, std::exception_ptr thrown) {
    const auto failed = describe(thrown);
    // A cancellation says nothing about the name, and our own limits answer for themselves.
    if (failed.kind == failure_class::cancelled || (is_own_limit(failed) && wanted.why != purpose::renewal))
        return;
    // The guard refuses for as long as it lasts; a record by this clock would refuse when it is right again.
    if (failed.code == errc::clock_doubted)
        return;
    const auto now = context_.now();
    const auto record =
        context_.all.with_failures([&](failure_book& book) { return book.remember(wanted.key, failed, now, draw()); });
    context_.save_failures();
    const auto current = context_.all.certificate(wanted.key);
    const bool expired = current && current->certificate->not_after() <= now;
    context_.log(
        expired ? log_level::error : log_level::warning, "no {}certificate for {}: {}", current ? "new " : "",
        to_string(wanted.names), failed.text);
    context_.tell(event_type::failed, wanted.names, [&](manager_event& event) {
        event.failure = failed.kind;
        event.text = failed.text;
    });
    context_.tell(event_type::retry_planned, wanted.names, [&](manager_event& event) {
        event.failure = failed.kind;
        event.next = current ? plan_next(facts_of(context_, wanted.key, *current), now, context_.options.retry).at
                             : record.retry_at;
    });
}

// All of them.

asio::awaitable<void> certificate_keeper::restore_memory() {
    if (restored_)
        co_return;
    auto start = [this] { return read_memory(); };
    co_await restoring_.run("memory", start);
}

asio::awaitable<bool> certificate_keeper::read_memory() {
    auto keys = state::memory_keys();
    keys.emplace_back(limits_key);
    keys.emplace_back(hosts_key);
    for (const auto& key : keys) {
        const auto stored = co_await context_.safe.load(key);
        if (!stored || restored_)
            continue;
        try {
            if (key == limits_key)
                context_.all.set_limits(read_limits(*stored));
            else if (key == hosts_key)
                context_.all.restore_hosts(read_hosts(*stored));
            else if (const int damaged = context_.all.read_memory(key, *stored, context_.now()); damaged > 0)
                context_.log(log_level::error, "{} entries of {} in the store are damaged and left out", damaged, key);
        } catch (const error& e) {
            context_.log(log_level::error, "{} in the store is damaged, and starts anew: {}", key, e.what());
        }
    }
    co_await accounts_.restore();
    if (!restored_)
        memory_is_there();
    co_return true;
}

void certificate_keeper::memory_is_there() {
    restored_ = true;
    limits_.restore();
}

void certificate_keeper::forget_failures(const identifier& name) {
    const auto key = certificate_key({name});
    context_.all.with_failures([&](failure_book& book) {
        book.forget(key);
        book.forget(trial_key(key));
        book.forget(admission_desk::key_of(name));
        return true;
    });
    context_.save_failures();
    plan_.plan(key);
}

void certificate_keeper::drop_damaged(const held_ptr& damaged, const error& why) {
    context_.log(
        log_level::error, "the certificate for {} is damaged and dropped: {}", to_string(damaged->names()), why.what());
    if (const auto key = context_.all.key_of(damaged))
        context_.all.forget_certificate(*key);
}

asio::awaitable<void> certificate_keeper::load_all() {
    for (;;) {
        const auto loaded = co_await as_outcome(load_each());
        if (!loaded.thrown)
            co_return;
        if (describe(loaded.thrown).is_cancellation())
            std::rethrow_exception(loaded.thrown);
        context_.log(
            log_level::error, "the store cannot be read, which is tried again in {} s: {}",
            vault::retry_interval.count(), describe(loaded.thrown).text);
        co_await context_.options.clock->sleep_for(vault::retry_interval);
    }
}

asio::awaitable<void> certificate_keeper::load_each() {
    co_await restore_memory();
    const auto keys = co_await context_.safe.list(std::string{certificates_prefix});
    for (const auto& key : keys) {
        if (context_.all.certificate(key))
            continue;
        const auto stored = co_await context_.safe.load(key);
        if (!stored || context_.all.certificate(key))
            continue;
        try {
            auto record = read_certificate(*stored);
            // When to ask is not written down each time, so after a restart all would be asked for at once.
            if (record.poll_at && *record.poll_at <= context_.now())
                record.poll_at = context_.now() + std::chrono::duration_cast<duration>(record.draw * polls_spread);
            index_.publish(record.certificate);
            context_.all.set_certificate(key, std::move(record));
            plan_.plan(key);
        } catch (const std::exception& e) {
            context_.log(log_level::error, "{} in the store is not used: {}", key, e.what());
        }
    }
}

void certificate_keeper::publish_all() {
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

asio::awaitable<void> certificate_keeper::forget(std::string key) {
    const auto record = context_.all.certificate(key);
    if (!record)
        co_return;
    // Another process may have renewed it, or be about to.
    job wanted{key, record->names(), purpose::application};
    auto held = co_await context_.safe.lock(key, forget_lease);
    auto work = remove_unless_renewed(std::move(wanted), *record);
    co_await context_.safe.unlock_after(std::move(held), std::move(work));
}

asio::awaitable<certificate_ptr> certificate_keeper::remove_unless_renewed(job wanted, certificate_record gone) {
    auto later = co_await load(wanted);
    if (!later)
        co_await remove(std::move(wanted.key), std::move(gone));
    co_return later;
}

asio::awaitable<void> certificate_keeper::remove(std::string key, certificate_record gone) {
    context_.log(log_level::warning, "the certificate for {} ended long ago and is removed", to_string(gone.names()));
    context_.all.forget_certificate(key);
    index_.remove(gone.certificate);
    plan_.take(key);
    context_.all.with_failures([&](failure_book& book) { return book.forget(key); });
    trials_.forget(key);
    context_.tell(event_type::forgotten, gone.names());
    co_await context_.safe.remove(std::move(key));
}

}  // namespace evercert
