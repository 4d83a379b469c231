#include "manager/renewer.hpp"

#include <algorithm>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/wall_time.hpp"

namespace evercert {

renewer::renewer(
    const manager_context& context, certificate_index& index, certificate_keeper& certificates,
    certificate_shelf& shelf, account_keeper& accounts, clock_guard& clock, order_limits& limits, renewal_plan& plan)
    : context_{context},
      index_{index},
      certificates_{certificates},
      shelf_{shelf},
      accounts_{accounts},
      clock_{clock},
      limits_{limits},
      plan_{plan},
      // Who waits for the limiters does not keep those that are on their way from going on.
      renewals_max_{context.options.orders_in_progress_max + waiting_in_limits_max},
      renewing_{context.strand, renewals_max_},
      turns_{context.strand, waiting_in_limits_max},
      forgetting_{context.strand, forgets_in_progress_max},
      polling_{context.strand, polls_in_progress_max},
      poll_phase_{context.draws.share()} {}

asio::awaitable<void> renewer::wait_for(renewal_queue::list which, std::optional<renewal_queue::entry> next) {
    using namespace asio::experimental::awaitable_operators;
    auto& earlier = plan_.earlier(which);
    if (next)
        co_await (as_outcome(earlier.wait()) || as_outcome(context_.options.clock->sleep_until(next->when)));
    else
        co_await earlier.wait();
}

// What is due.

asio::awaitable<void> renewer::act() {
    for (int in_a_row = 0;; ++in_a_row) {
        auto next = plan_.next(renewal_queue::list::acts);
        while (!next || next->when > context_.now()) {
            co_await wait_for(renewal_queue::list::acts, std::move(next));
            next = plan_.next(renewal_queue::list::acts);
            in_a_row = 0;
        }
        co_await clock_.wait_until_trusted();
        if (in_a_row >= looks_in_a_row_max) {
            co_await asio::post(context_.strand, asio::use_awaitable);
            in_a_row = 0;
        }
        act_on(next->key);
    }
}

void renewer::act_on(const std::string& key) {
    plan_.take(key);
    auto record = context_.all.certificate(key);
    if (!record)
        return;
    give_notice(key, *record);
    const auto now = context_.now();
    const auto facts = facts_of(context_, key, *record);
    const auto due = plan_next(facts, now, context_.options.retry);
    if (due.at > now || due.act == next_act::poll_renewal_info || due.act == next_act::none)
        plan_.plan(key);
    else if (due.act == next_act::renew)
        line_up(key, *record, facts);
    else if (auto room = forgetting_.try_acquire())
        context_.tasks.spawn(forget(key, std::move(*room)));
    else
        plan_.plan_later(key, look_again_after);
}

void renewer::line_up(const std::string& key, const certificate_record& record, const renewal_facts& facts) {
    const auto now = context_.now();
    auto rank = rank_of(facts, index_.asked(*record.certificate), now);
    rank.counted = limits_.counts(certificates_.kind_of(key, record.names()));
    // Each at its own pace, so that thousands that became due at once are not ranked at once.
    const auto pace = std::chrono::duration_cast<duration>(rank_again_after * (1 + record.draw));
    auto again = now + pace;
    for (const auto change : {rank_changes_at(facts, now), next_notice(record)})
        if (change && *change > now)
            again = std::min(again, *change);
    plan_.line_up(key, rank, again);
    tell_of_replacement();
}

asio::awaitable<void> renewer::forget(std::string key, [[maybe_unused]] semaphore::permit room) {
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

// Who is next.

asio::awaitable<void> renewer::replace() {
    for (;;) {
        // First the room and the turn, then the certificate: what presses most at the last moment.
        auto room = co_await renewing_.acquire();
        auto turn = co_await turns_.acquire();
        auto key = co_await most_pressing();
        plan_.take(key);
        context_.tasks.spawn(renew(std::move(key), std::move(room), std::move(turn)));
    }
}

asio::awaitable<std::string> renewer::most_pressing() {
    using namespace asio::experimental::awaitable_operators;
    for (;;) {
        co_await clock_.wait_until_trusted();
        tell_of_replacement();
        // Each of those on their way may not have been counted yet.
        const auto wait = limits_.wait_for_account(renewals_max_ - renewing_.free() - 1);
        const auto which = wait > duration{} ? replacement_queue::of::uncounted : replacement_queue::of::all;
        auto first = plan_.first_in_line(which);
        if (first && !context_.all.in_progress(*first))
            co_return std::move(*first);
        if (first)
            plan_.plan_later(*first, look_again_after);
        else if (plan_.waiting() > 0)
            // The CA's limit on orders of an account keeps all of them: to be refused one by one would help none.
            co_await (as_outcome(plan_.lined_up().wait()) || as_outcome(context_.options.clock->sleep_for(wait)));
        else
            co_await plan_.lined_up().wait();
    }
}

asio::awaitable<void> renewer::renew(std::string key, [[maybe_unused]] semaphore::permit room, semaphore::permit turn) {
    co_await certificates_.renew(std::move(key), std::move(turn));
}

void renewer::tell_of_replacement() {
    const auto waiting = plan_.waiting();
    const auto next = plan_.next(renewal_queue::list::acts);
    const bool none_is_due = waiting == 0 && (!next || next->when > context_.now());
    if (none_is_due && told_waiting_ > 0) {
        told_waiting_ = 0;
        context_.log(log_level::info, "of the renewals that were due at once none waits any more");
        context_.tell(event_type::replacement_done, {});
    }
    // What a full bucket lets through is nothing to tell of.
    const auto burst = static_cast<std::size_t>(context_.options.orders.burst);
    if (waiting <= std::max(burst, 2 * told_waiting_))
        return;
    told_waiting_ = waiting;
    const auto plan = plan_.look_ahead(limits_.paces()).estimate;
    auto text = fmt::format(
        "{} renewals are due at once and go in the order of what presses most, one in {} by the limit {}, until {}",
        waiting, to_text(plan.interval), plan.limit, to_rfc3339(plan.done_at));
    if (plan.late > 0)
        context_.log(
            log_level::warning,
            "{}; {} of them after their deadline: raise manager_options::orders, or ask the CA for higher limits", text,
            plan.late);
    else
        context_.log(log_level::info, "{}", text);
    context_.tell(event_type::replacement_planned, {}, [&](manager_event& event) {
        event.text = std::move(text);
        event.next = plan.done_at;
    });
}

std::optional<replacement_status> renewer::replacement() const {
    const auto ahead = plan_.look_ahead(limits_.paces());
    if (ahead.waiting < 2 || ahead.estimate.done_at <= context_.now())
        return std::nullopt;
    replacement_status status;
    status.certificates = ahead.waiting;
    for (const auto& key : ahead.first)
        if (const auto record = context_.all.certificate(key))
            status.first.push_back(record->names().front());
    status.limit = ahead.estimate.limit;
    status.interval = std::chrono::ceil<std::chrono::seconds>(ahead.estimate.interval);
    status.done_at = ahead.estimate.done_at;
    status.deadline = ahead.estimate.first;
    status.late = ahead.estimate.late;
    return status;
}

asio::awaitable<void> renewer::count_days() {
    for (;;) {
        co_await context_.options.clock->sleep_for(std::chrono::days{1});
        index_.next_day();
    }
}

// What becomes of it.

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
        event.key = record.certificate->type();
        event.next = end;
    });
}

asio::awaitable<void> renewer::poll() {
    for (;;) {
        auto next = next_poll();
        while (!next || next->when > context_.now()) {
            co_await wait_for(renewal_queue::list::polls, std::move(next));
            next = next_poll();
        }
        auto room = co_await polling_.acquire();
        co_await clock_.wait_until_trusted();
        context_.tasks.spawn(poll_in_turn(std::move(room)));
    }
}

// What is due waits for its turn while there are others in progress.
std::optional<renewal_queue::entry> renewer::next_poll() const {
    auto next = plan_.next(renewal_queue::list::polls);
    if (next && next->when <= context_.now() && polling_.free() < polls_in_progress_max)
        next->when = plus(next->when, poll_in_turn_max);
    return next;
}

asio::awaitable<void> renewer::poll_in_turn(semaphore::permit room) {
    for (auto next = plan_.next(renewal_queue::list::polls); next && next->when <= context_.now();
         next = plan_.next(renewal_queue::list::polls)) {
        plan_.take_poll(next->key);
        const auto asked = co_await as_outcome<void>(poll_for(next->key));
        plan_.polled(next->key);
        if (asked.thrown)
            std::rethrow_exception(asked.thrown);  // cancelled: another serve() may go on
        co_await clock_.wait_until_trusted();
    }
    room.release();
    // The next one need not wait for this any more.
    plan_.earlier(renewal_queue::list::polls).notify_all();
}

asio::awaitable<void> renewer::poll_for(std::string key) {
    const auto record = context_.all.certificate(key);
    if (!record)
        co_return;
    acme::renewal_info said;
    said.retry_after = poll_again_after;
    std::string problem;
    duration again = poll_again_after;
    bool answered = false;
    const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
    try {
        const auto id = record->certificate->renewal_id();
        if (!id)
            throw error{
                errc::invalid_certificate,
                "the certificate does not say which key issued it, so it has none (RFC 9773, section 4.1)"};
        co_await limits_.pass_poll();
        const auto& issuer = record->directory_url.value();
        const auto client = accounts_.reader(issuer);
        said = co_await client->renewal_info(*id);
        if (issuer == context_.options.directory_url)
            clock_.observe(*client);  // one CA's word is enough, and this one's is asked for when it is needed
        answered = true;
    } catch (const std::exception& e) {
        if (ours.cancelled() != asio::cancellation_type::none)
            throw;
        problem = e.what();
        const auto* known = dynamic_cast<const error*>(&e);
        // RFC 9773, section 4.3.3: as when it answers, within the same bounds.
        if (known && known->retry_after())
            again = std::clamp<duration>(*known->retry_after(), again, poll_after_most);
    }
    // As it is now: what listeners were told, and whether the CA takes an order as its replacement, may have changed.
    auto current = context_.all.certificate(key);
    if (!current || current->certificate != record->certificate)
        co_return;  // another one came meanwhile
    if (!answered) {
        context_.log(log_level::debug, "no renewal information for {}: {}", to_string(current->names()), problem);
        current->poll_at = poll_moment(context_.now(), again, poll_phase_);
        context_.all.set_certificate(key, std::move(*current));
    } else {
        take_suggestion(key, std::move(*current), said);
    }
}

void renewer::take_suggestion(const std::string& key, certificate_record record, const acme::renewal_info& said) {
    const auto before = record.window;
    const auto now = context_.now();
    record.window = suggested_window{said.start, said.end};
    record.poll_at = poll_moment(now, said.retry_after.value_or(poll_again_after), poll_phase_);
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
        plan_.clock_turned();
    }
}

}  // namespace evercert
