#include "manager/certificate_keeper.hpp"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/wall_time.hpp"
#include "manager/flight_marks.hpp"
#include "tls/trial_handshake.hpp"

namespace evercert {
namespace {

bool is_own_limit(const failure& what) { return what.code == errc::rate_limited && !what.from_ca; }

}  // namespace

certificate_keeper::certificate_keeper(
    const manager_context& context, certificate_shelf& shelf, order_desk& orders, account_keeper& accounts,
    clock_guard& clock, order_limits& limits, renewal_plan& plan)
    : context_{context},
      shelf_{shelf},
      orders_{orders},
      accounts_{accounts},
      clock_{clock},
      limits_{limits},
      plan_{plan},
      admissions_{context},
      in_progress_{context.strand, context.options.orders_in_progress_max},
      flights_{
          context.strand,
          context.tasks,
          {context.options.waiters_per_name_max, context.options.waiters_max,
           2 * context.options.orders_in_progress_max}},
      restoring_{context.strand, context.tasks, {context.options.waiters_max, context.options.waiters_max}} {}

// The ways in.

asio::awaitable<certificate_ptr> certificate_keeper::obtain(std::vector<identifier> names, key_kind kind) {
    job wanted{std::move(names), kind, purpose::application};
    auto first = co_await as_outcome(join(wanted));
    // The flight may have been a handshake's, which does not wait for our limits as an application does.
    if (first.thrown && is_own_limit(describe(first.thrown)) && limits_.can_issue(wanted.names, kind_of(wanted)).now)
        co_return co_await join(std::move(wanted));
    co_return first.get();
}

asio::awaitable<certificate_ptr> certificate_keeper::obtain_for_handshake(
    std::vector<identifier> names, key_kind kind) {
    // What is known is refused here: a flood of such names starts no flights.
    for (const auto& name : names)
        if (admissions_.known(name) == admission_desk::answer::no) {
            context_.tell(event_type::refused, {name});
            throw admissions_.refusal(name);
        }
    job wanted{std::move(names), kind, purpose::handshake};
    refuse_failed(wanted);
    auto result = co_await as_outcome(join_for_handshake(wanted));
    if (result.thrown)
        tell_held_up(wanted, describe(result.thrown));
    co_return result.get();
}

asio::awaitable<certificate_ptr> certificate_keeper::join_for_handshake(job wanted) {
    refuse_held_up(wanted);
    co_return co_await join(std::move(wanted));
}

asio::awaitable<void> certificate_keeper::obtain_in_background(std::vector<identifier> names, key_kind kind) {
    // A client decides how often this happens: what there is to tell was told by the flight.
    const auto result = co_await as_outcome(obtain_for_handshake(names, kind));
    if (result.thrown)
        context_.log(log_level::debug, "no certificate for {}: {}", to_string(names), describe(result.thrown).text);
}

asio::awaitable<void> certificate_keeper::renew(std::string key, semaphore::permit turn) {
    const auto record = context_.all.certificate(key);
    if (!record)
        co_return;
    if (!restored_) {
        // It was planned without the failures and the host list that the store has; `load_all` goes on trying.
        plan_.plan_later(key, unremembered_wait);
        co_return;
    }
    context_.log(log_level::info, "renewing the certificate for {}", to_string(record->names()));
    job due{renewed_under(context_, key), record->names(), purpose::renewal};
    due.turn = std::make_shared<semaphore::permit>(std::move(turn));
    const auto result = co_await as_outcome(join(due));
    // A success planned what it is kept under. The flight may have been a handshake's, which knows nothing of the plan.
    if (!result.thrown && due.key != key)
        plan_.plan(key);
    if (!result.thrown)
        co_return;
    const auto now = context_.counted_time();
    const bool remembered =
        context_.all.with_failures([&](const failure_book& book) { return book.find(due.key, now) != nullptr; });
    plan_.plan_later(key, remembered ? duration{renewal_plan::after_failure} : duration{unremembered_wait});
}

asio::awaitable<certificate_ptr> certificate_keeper::join(job wanted) {
    auto key = wanted.key;
    const auto room = wanted.why == purpose::renewal ? flight_room::reserved : flight_room::ordinary;
    auto start = [this, &wanted] { return fly(std::move(wanted)); };
    co_return co_await flights_.run(std::move(key), start, room);
}

// One flight.

asio::awaitable<certificate_ptr> certificate_keeper::fly(job wanted) {
    const flight_mark marked{context_.all, wanted.key, context_.options.clock->steady()};
    auto result = co_await as_outcome(fetch(wanted));
    if (result.thrown && wanted.why == purpose::renewal)
        remember_failure(wanted, result.thrown);
    co_return result.get();
}

asio::awaitable<certificate_ptr> certificate_keeper::fetch(job wanted) {
    // What the store has waits neither for the memory of failures and limits nor for the application, which may have
    // admitted it in an earlier run.
    if (!loaded_ && wanted.why != purpose::renewal && !is_refused(wanted))
        if (auto loaded = co_await shelf_.load(wanted.key, wanted.names, false))
            co_return loaded;
    co_await restore_memory();
    if (wanted.why != purpose::renewal) {
        for (const auto& name : wanted.names)
            co_await admissions_.admit(name);
        if (auto loaded = co_await shelf_.load(wanted.key, wanted.names, false))
            co_return loaded;
        refuse_failed(wanted);
    }
    if (wanted.why == purpose::handshake)
        clock_.require();
    else
        co_await clock_.wait_until_trusted();
    co_await pass_limits(wanted, attempt_of_flight::first);
    if (wanted.turn)
        wanted.turn->release();
    auto result = co_await as_outcome(attempts(wanted));
    if (result.thrown && wanted.why != purpose::renewal)
        remember_failure(wanted, result.thrown);
    co_return result.get();
}

bool certificate_keeper::is_refused(const job& wanted) const {
    return std::any_of(wanted.names.begin(), wanted.names.end(), [&](const auto& name) { return is_refused(name); });
}

/// Each under the lease and with a permit of its own, which are no places to wait for the limiters in.
asio::awaitable<certificate_ptr> certificate_keeper::attempts(job wanted) {
    order_desk::course so_far;
    std::exception_ptr not_validated;
    // Our own limits, which do not let another attempt through, say nothing of the name; what the one before failed with does.
    const auto fail = [&not_validated](const std::exception_ptr& with) {
        std::rethrow_exception(not_validated && is_own_limit(describe(with)) ? not_validated : with);
    };
    for (;;) {
        auto result = co_await as_outcome(attempt(wanted, so_far));
        if (!result.thrown)
            co_return *result.value;
        if (!orders_.tries_again(so_far, result.thrown))
            fail(result.thrown);
        if (describe(result.thrown).code == errc::authorization_invalid)
            not_validated = result.thrown;
        const auto passed = co_await as_outcome<void>(pass_limits(wanted, attempt_of_flight::later));
        if (passed.thrown)
            fail(passed.thrown);
    }
}

duration certificate_keeper::patience(const job& wanted) const {
    return wanted.why == purpose::handshake ? duration{context_.options.handshake_wait} : order_limits::no_end;
}

asio::awaitable<void> certificate_keeper::pass_limits(job wanted, attempt_of_flight which) {
    const auto kind = kind_of(wanted);
    const auto until = context_.options.clock->steady() + limits_.expected_wait(wanted.names, kind, which);
    const held_up_mark mark{context_.all, wanted.key, until};
    co_await limits_.pass(wanted.names, kind, which, patience(wanted));
}

/// The flight may be an application's, which waits as long as it takes.
void certificate_keeper::refuse_held_up(const job& wanted) const {
    const auto flight = context_.all.flight(wanted.key);
    if (!flight || !flight->held_up_until)
        return;
    const auto wait = *flight->held_up_until - context_.options.clock->steady();
    if (wait <= patience(wanted))
        return;
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait);
    throw error{
        errc::rate_limited, fmt::format("our own limits hold the order up for {} s more", seconds.count()), seconds};
}

void certificate_keeper::tell_held_up(const job& wanted, const failure& failed) const {
    if (!is_own_limit(failed))
        return;
    context_.tell(event_type::refused, wanted.names, [&](manager_event& event) {
        event.key = type_of(wanted);
        event.text = failed.text;
        if (failed.retry_after)
            event.next = plus(context_.now(), *failed.retry_after);
    });
}

asio::awaitable<certificate_ptr> certificate_keeper::attempt(job wanted, order_desk::course& so_far) {
    // Until the order can be finalized, and from there to the certificate.
    const auto length = std::chrono::ceil<std::chrono::seconds>(2 * context_.options.order_timeout);
    const auto permit = co_await in_progress_.acquire();
    auto held = co_await context_.safe.lock(wanted.key, length);
    auto work = load_or_order(std::move(wanted), held, so_far);
    co_return co_await context_.safe.unlock_after(std::move(held), std::move(work));
}

asio::awaitable<certificate_ptr> certificate_keeper::load_or_order(
    job wanted, vault_lease held, order_desk::course& so_far) {
    // Another machine may have been faster.
    if (auto loaded = co_await shelf_.load(wanted.key, wanted.names, wanted.why == purpose::renewal))
        co_return loaded;
    const auto fulfilled = co_await orders_.place(wanted.key, wanted.names, type_of(wanted), so_far);
    const auto& obtained = fulfilled.certificate;
    const auto unusable = why_unusable(obtained, wanted.names.front());
    if (unusable) {
        co_await orders_.drop_pending(wanted.key);  // its certificate will not be better the next time
        std::rethrow_exception(unusable);
    }
    limits_.issued(wanted.names, fulfilled.kind);
    context_.tell(
        fulfilled.kind.renewal ? event_type::renewed : event_type::obtained, wanted.names, [&](manager_event& event) {
            event.key = obtained->key().type();
            event.serial = obtained->serial();
        });
    auto kept = co_await shelf_.keep(wanted.key, make_record(wanted, obtained), std::move(held));
    // What the store does not have yet is found by its order after a crash.
    if (!context_.safe.is_unsaved(wanted.key))
        co_await orders_.drop_pending(wanted.key);
    co_return kept;
}

std::exception_ptr certificate_keeper::why_unusable(const certificate_ptr& obtained, const identifier& name) const {
    try {
        verify_in_handshake(obtained, name, std::max(context_.now(), obtained->not_before()));
    } catch (const error&) {
        return std::current_exception();
    }
    return nullptr;
}

key_type certificate_keeper::type_of(const job& wanted) const {
    return context_.wanted(kind_in(wanted.key)).value_or(context_.options.key_types.front());
}

certificate_record certificate_keeper::make_record(const job& wanted, const certificate_ptr& obtained) const {
    certificate_record record{wanted.names, std::make_shared<const held_certificate>(obtained), context_.draws.share()};
    record.obtained = context_.now();
    record.directory_url = context_.options.directory_url;
    return record;
}

// What comes of it.

void certificate_keeper::refuse_failed(const job& wanted) const {
    const auto now = context_.counted_time();
    const auto thrown = context_.all.with_failures([&](const failure_book& book) -> std::exception_ptr {
        const auto* failed = book.find(wanted.key, now);
        if (!failed || (wanted.why == purpose::application && failed->ordered_until <= now))
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
    const auto now = context_.counted_time();
    const auto record = context_.all.with_failures([&](failure_book& book) {
        const auto noted = book.remember(wanted.key, failed, now, context_.draws.share());
        book.note_names(wanted.key, wanted.names);
        return noted;
    });
    context_.save_failures();
    const auto current = context_.all.certificate(wanted.key);
    const bool expired = current && current->certificate->not_after() <= now;
    context_.log(
        expired ? log_level::error : log_level::warning, "no {}certificate ({}) for {}: {}", current ? "new " : "",
        to_string(type_of(wanted)), to_string(wanted.names), failed.text);
    context_.tell(event_type::failed, wanted.names, [&](manager_event& event) {
        event.failure = failed.kind;
        event.key = type_of(wanted);
        event.text = failed.text;
    });
    context_.tell(event_type::retry_planned, wanted.names, [&](manager_event& event) {
        event.failure = failed.kind;
        event.key = type_of(wanted);
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
    auto keys = context_.all.memory_keys();
    keys.emplace_back(hosts_key);
    for (const auto& key : keys) {
        const auto stored = co_await context_.safe.load(key);
        if (!stored || restored_)
            continue;
        try {
            if (key == limits_key(context_.options.directory_url))
                context_.all.set_limits(read_limits(*stored));
            else if (key == hosts_key)
                context_.all.restore_hosts(read_hosts(*stored));
            else if (const int damaged = context_.all.read_memory(key, *stored, context_.counted_time()); damaged > 0)
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
    clock_.state_read();
    limits_.restore();
    plan_.plan_all();  // what was loaded before knew of no failure, and the store's list is in force
}

void certificate_keeper::forget_failures(const identifier& name) {
    auto keys = context_.all.certificates_with(name);
    for (std::size_t kind = 0; kind < key_kinds; ++kind)
        keys.insert(certificate_key({name}, static_cast<key_kind>(kind)));
    context_.all.with_failures([&](failure_book& book) {
        for (auto& key : book.keys_with(name))
            keys.insert(std::move(key));
        for (const auto& key : keys) {
            book.forget(key);
            book.forget(certificate_shelf::trial_key(key));
        }
        return book.forget(admission_desk::key_of(name));
    });
    admissions_.forget(name);
    context_.save_failures();
    for (const auto& key : keys)
        plan_.plan(key);
}

asio::awaitable<void> certificate_keeper::restore_and_load() {
    auto restored = co_await as_outcome<void>(restore_memory());
    if (restored.thrown && describe(restored.thrown).is_cancellation())
        std::rethrow_exception(restored.thrown);
    // Without it nothing is ordered, since limits may be used up; what the store has is served all the same.
    co_await shelf_.load_each();
    restored.get();
}

asio::awaitable<void> certificate_keeper::load_all() {
    duration wait = vault::retry_interval;
    for (;;) {
        const auto loaded = co_await as_outcome(restore_and_load());
        if (!loaded.thrown) {
            loaded_ = true;
            co_return;
        }
        if (describe(loaded.thrown).is_cancellation())
            std::rethrow_exception(loaded.thrown);
        context_.log(
            log_level::error, "what the store has cannot all be read, which is tried again in {} s: {}",
            std::chrono::ceil<std::chrono::seconds>(wait).count(), describe(loaded.thrown).text);
        co_await context_.options.clock->sleep_for(wait);
        wait = std::min<duration>(2 * wait, vault::retry_interval_max);
    }
}

}  // namespace evercert
