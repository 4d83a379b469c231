#include "manager/renewer.hpp"

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/this_coro.hpp>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/wall_time.hpp"
#include "crypto/certificate_id.hpp"

namespace evercert {

renewer::renewer(
    const manager_context& context, certificate_keeper& certificates, certificate_shelf& shelf,
    account_keeper& accounts, clock_guard& clock, order_limits& limits, renewal_plan& plan)
    : context_{context},
      certificates_{certificates},
      shelf_{shelf},
      accounts_{accounts},
      clock_{clock},
      limits_{limits},
      plan_{plan},
      // Those that wait for the limiters do not keep those that are on their way from going on.
      acting_{context.strand, 2 * context.options.orders_in_progress_max},
      polling_{context.strand, polls_in_progress_max} {}

asio::awaitable<void> renewer::wait_for(std::optional<renewal_queue::entry> next) {
    using namespace asio::experimental::awaitable_operators;
    if (next)
        co_await (as_outcome(plan_.changed().wait()) || as_outcome(context_.options.clock->sleep_until(next->when)));
    else
        co_await plan_.changed().wait();
}

asio::awaitable<void> renewer::act() {
    for (;;) {
        // First the room, then the certificate: the queue keeps the order in which they are due.
        auto room = co_await acting_.acquire();
        auto next = plan_.acts().next();
        while (!next || next->when > context_.now()) {
            co_await wait_for(std::move(next));
            next = plan_.acts().next();
        }
        co_await clock_.wait_until_trusted();
        plan_.take(next->key);
        context_.tasks.spawn(act_on(std::move(next->key), std::move(room)));
    }
}

asio::awaitable<void> renewer::act_on(std::string key, [[maybe_unused]] semaphore::permit room) {
    auto record = context_.all.certificate(key);
    if (!record)
        co_return;
    give_notice(key, *record);
    const auto due = plan_next(facts_of(context_, key, *record), context_.now(), context_.options.retry);
    if (due.at > context_.now() || due.act == next_act::poll_renewal_info || due.act == next_act::none)
        plan_.plan(key);
    else if (due.act == next_act::forget)
        co_await forget(std::move(key));
    else
        co_await certificates_.renew(std::move(key));
}

asio::awaitable<void> renewer::forget(std::string key) {
    // What is removed does not come back: nothing is, before the CA has said in this run what time it is.
    const bool confirmed = co_await clock_.confirm();
    if (confirmed) {
        // Another process may have it, or the store may not answer: that ends some time.
        const auto removed = co_await as_outcome(shelf_.forget(key));
        if (removed.thrown && describe(removed.thrown).is_cancellation())
            std::rethrow_exception(removed.thrown);
        if (removed.thrown)
            context_.log(log_level::warning, "{} is not removed now: {}", key, describe(removed.thrown).text);
    }
    plan_.plan_later(key, forget_again_after);
}

void renewer::give_notice(const std::string& key, certificate_record& record) {
    using notice = certificate_record::notice;
    const auto now = context_.now();
    const auto end = record.certificate->not_after();
    const auto before = record.told;
    if (now >= end)
        record.told = notice::expired;
    else if (now >= last_twentieth(record.certificate->not_before(), end))
        record.told = notice::expiring;
    if (record.told == before)
        return;
    context_.all.set_certificate(key, record);
    const bool expired = record.told == notice::expired;
    if (expired)
        context_.log(
            log_level::error, "the certificate for {} expired at {} and is served all the same",
            to_string(record.names()), to_rfc3339(end));
    else
        context_.log(
            log_level::warning, "the certificate for {} expires at {}, and could not be renewed yet",
            to_string(record.names()), to_rfc3339(end));
    context_.tell(expired ? event_type::expired : event_type::expiring, record.names(), [&](manager_event& event) {
        event.next = end;
    });
}

asio::awaitable<void> renewer::poll() {
    for (;;) {
        auto room = co_await polling_.acquire();
        auto next = plan_.polls().next();
        while (!next || next->when > context_.now()) {
            co_await wait_for(std::move(next));
            next = plan_.polls().next();
        }
        co_await clock_.wait_until_trusted();
        plan_.take(next->key);
        context_.tasks.spawn(poll_for(std::move(next->key), std::move(room)));
    }
}

asio::awaitable<void> renewer::poll_for(std::string key, [[maybe_unused]] semaphore::permit room) {
    auto record = context_.all.certificate(key);
    if (!record)
        co_return;
    acme::renewal_info said;
    said.retry_after = poll_again_after;
    std::string problem;
    bool answered = false;
    const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
    try {
        if (record->renewal_id.empty())
            record->renewal_id = certificate_id(record->certificate->get()->native_handle());
        co_await limits_.pass_poll();
        const auto client = accounts_.reader();
        said = co_await client->renewal_info(record->renewal_id);
        clock_.observe(*client);
        answered = true;
    } catch (const std::exception& e) {
        if (ours.cancelled() != asio::cancellation_type::none)
            throw;
        problem = e.what();
    }
    const auto current = context_.all.certificate(key);
    if (!current || current->certificate != record->certificate)
        co_return;  // another one came meanwhile, and was planned
    if (!answered) {
        context_.log(log_level::debug, "no renewal information for {}: {}", to_string(record->names()), problem);
        record->poll_at = context_.now() + poll_again_after;
        context_.all.set_certificate(key, std::move(*record));
    } else {
        take_suggestion(key, std::move(*record), said);
    }
    plan_.plan(key);
}

void renewer::take_suggestion(const std::string& key, certificate_record record, const acme::renewal_info& said) {
    const auto before = record.window;
    const auto now = context_.now();
    record.window = suggested_window{said.start, said.end};
    record.poll_at = now + said.retry_after.value_or(poll_again_after);
    const bool moved = !before || before->start != said.start || before->end != said.end;
    const auto names = record.names();
    context_.all.set_certificate(key, std::move(record));
    if (!moved)
        return;
    // Not saved: without the lock that could write over what another process has renewed. A restart asks again.
    context_.log(
        log_level::info, "the CA suggests to renew {} between {} and {}", to_string(names), to_rfc3339(said.start),
        to_rfc3339(said.end));
    context_.tell(event_type::renewal_suggested, names, [&](manager_event& event) {
        event.next = said.start;
        event.text = said.explanation_url ? quoted(*said.explanation_url) : std::string{};
    });
}

asio::awaitable<void> renewer::follow_clock() {
    for (;;) {
        co_await clock_.turned().wait();
        plan_.plan_all();
    }
}

}  // namespace evercert
