#include "manager/order_limits.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/wall_time.hpp"

namespace evercert {
namespace {

token_bucket bucket_of(const rate& limit) { return token_bucket{limit.interval, limit.burst}; }

urgency urgency_of(order_kind kind) { return kind.renewal ? urgency::first : urgency::ordinary; }

}  // namespace

order_limits::order_limits(const manager_context& context)
    : context_{context},
      orders_{
          context.strand, context.options.clock, bucket_of(context.options.orders), "new orders",
          context.options.waiters_max},
      new_hosts_{
          context.strand, context.options.clock, bucket_of(context.options.new_hosts), "new host names",
          context.options.waiters_max},
      ceiling_{
          context.strand, context.options.clock,
          sliding_window{context.options.order_ceiling.count, context.options.order_ceiling.window},
          "orders to one CA at once", context.options.waiters_max},
      polls_{
          context.strand, context.options.clock, bucket_of(context.options.renewal_info_polls),
          "questions for renewal information", context.options.waiters_max} {
    const auto look_again = [this] { look(); };
    orders_.on_change(look_again);
    new_hosts_.on_change(look_again);
    ceiling_.on_change(look_again);
    polls_.on_change(look_again);
    look();
}

/// A token that was taken for an order which the next limiter may still refuse, or whose coroutine may be cancelled: it is given
/// back unless it is spent. Not saved before: of what is in the store the larger debt stays.
class order_limits::payment {
public:
    explicit payment(rate_limiter& to) : to_{&to} {}
    ~payment() {
        if (to_)
            to_->give_back();
    }
    payment(const payment&) = delete;
    void spend() { to_ = nullptr; }

private:
    rate_limiter* to_;
};

void order_limits::look() {
    const auto now = context_.options.clock->steady();
    const std::lock_guard lock{mutex_};
    orders_full_ = now + orders_.debt();
    views_ = {{
        {"orders", now + orders_.expected_wait(), orders_.waiting()},
        {"new_hosts", now + new_hosts_.expected_wait(), new_hosts_.waiting()},
        {"order_ceiling", now + ceiling_.expected_wait(), ceiling_.waiting()},
        {"renewal_info_polls", now + polls_.expected_wait(), polls_.waiting()},
    }};
}

std::vector<limiter_status> order_limits::status() const {
    const auto now = context_.options.clock->steady();
    std::vector<limiter_status> all;
    const std::lock_guard lock{mutex_};
    for (const auto& one : views_)
        all.push_back(
            {std::string{one.name}, std::chrono::ceil<std::chrono::seconds>(std::max<duration>(one.free_at - now, {})),
             one.waiting});
    return all;
}

bool order_limits::is_repeat(const certificate_record& before, const std::vector<identifier>& names) const {
    const auto& issued = before.certificate->names();
    const auto window = context_.all.with_ledger([](const ledger& book) { return book.limits().renewal_window; });
    return before.directory_url == context_.options.directory_url &&
        between(before.obtained, context_.now()) < window &&
        std::set<identifier>{issued.begin(), issued.end()} == std::set<identifier>{names.begin(), names.end()};
}

issue_answer order_limits::can_issue(const std::vector<identifier>& names, order_kind kind) const {
    const auto now = context_.counted_time();
    const auto verdict = context_.all.with_ledger([&](ledger& book) { return book.can_issue(names, kind, now); });
    return {verdict.now, verdict.not_before, verdict.because};
}

void order_limits::check_ledger(const std::vector<identifier>& names, order_kind kind) const {
    const auto answer = can_issue(names, kind);
    if (answer.now)
        return;
    const auto wait = std::chrono::ceil<std::chrono::seconds>(answer.not_before - context_.counted_time());
    throw error{errc::rate_limited, "the CA's limits forbid an order now: " + answer.because, wait};
}

bool order_limits::counts(order_kind kind) const {
    return context_.all.with_ledger([&](const ledger& book) { return book.counts_order(kind); });
}

duration order_limits::wait_for_account(std::size_t ahead) const {
    const auto the_cas = paces().the_cas;
    return the_cas ? the_cas->wait(ahead + 1) : duration{};
}

replacement_paces order_limits::paces() const {
    const auto& ours = context_.options.orders;
    const auto& ceiling = context_.options.order_ceiling;
    const auto steady = context_.options.clock->steady();
    replacement_paces paces;
    {
        const std::lock_guard lock{mutex_};
        const auto debt = std::max<duration>(orders_full_ - steady, {});
        paces.ours.push_back({"orders", debt - (ours.burst - 1) * duration{ours.interval}, ours.interval});
        for (const auto& one : views_)
            if (one.name == "order_ceiling" && ceiling.count > 0)
                paces.ours.push_back(
                    {std::string{one.name}, std::max<duration>(one.free_at - steady, {}),
                     duration{ceiling.window} / ceiling.count});
    }
    const auto now = context_.counted_time();
    paces.the_cas = context_.all.with_ledger([&](ledger& book) {
        std::optional<order_pace> pace;
        if (const auto& limit = book.limits().orders; limit.count > 0) {
            const auto interval = duration{limit.window} / limit.count;
            pace = order_pace{"ca_limits::orders", book.orders_debt(now) - (limit.count - 1) * interval, interval};
        }
        return pace;
    });
    return paces;
}

asio::awaitable<void> order_limits::pass(
    std::vector<identifier> names, order_kind kind, attempt_of_flight which, duration longest) {
    // Who will be refused by one pays no other: a flood would empty the bucket of new hosts for days.
    check(names, kind, longest);
    std::optional<payment> for_new_host;
    if (is_new(names, kind, which)) {
        co_await new_hosts_.acquire(longest);
        for_new_host.emplace(new_hosts_);
    }
    const auto who = urgency_of(kind);
    co_await orders_.acquire(longest, who);
    payment for_order{orders_};
    co_await ceiling_.acquire(longest, who);
    for_order.spend();
    if (for_new_host)
        for_new_host->spend();
    limits_changed();
}

bool order_limits::is_new(const std::vector<identifier>& names, order_kind kind, attempt_of_flight which) const {
    return which == attempt_of_flight::first && !kind.renewal && !kind.repeats &&
        !std::all_of(names.begin(), names.end(), [&](const auto& name) { return context_.all.lists(name); });
}

duration order_limits::expected_wait(
    const std::vector<identifier>& names, order_kind kind, attempt_of_flight which) const {
    const auto who = urgency_of(kind);
    const auto both = std::max(orders_.expected_wait(who), ceiling_.expected_wait(who));
    return is_new(names, kind, which) ? std::max(both, new_hosts_.expected_wait()) : both;
}

std::optional<order_limits::hold> order_limits::holds(
    const std::vector<identifier>& names, order_kind kind, duration longest) const {
    if (const auto answer = can_issue(names, kind); !answer.now)
        return hold{answer.not_before, "the CA's limits forbid an order now: " + answer.because};
    const bool is_for_new = is_new(names, kind, attempt_of_flight::first);
    const auto now = context_.options.clock->steady();
    std::optional<hold> found;
    duration most = longest;
    const std::lock_guard lock{mutex_};
    for (const auto& one : views_) {
        const bool applies =
            one.name == "orders" || one.name == "order_ceiling" || (one.name == "new_hosts" && is_for_new);
        if (const auto wait = one.free_at - now; applies && wait > most) {
            most = wait;
            found = hold{plus(context_.now(), wait), fmt::format("our own limit \"{}\" is used up", one.name)};
        }
    }
    return found;
}

void order_limits::check(const std::vector<identifier>& names, order_kind kind, duration longest) const {
    check_ledger(names, kind);
    orders_.check(longest, urgency_of(kind));
    ceiling_.check(longest, urgency_of(kind));
}

asio::awaitable<void> order_limits::pass_poll() {
    co_await polls_.acquire(no_end);
    remember();
    // A crash may forget the last of them. And what is paid back before it would be written is not written: mostly that is so,
    // and no disk has to write for each poll of each certificate.
    if (polls_.debt() > vault::lazy_interval)
        context_.safe.mark_unsaved_lazily(limits_key(context_.options.directory_url));
}

void order_limits::order(const std::vector<identifier>& names, order_kind kind) {
    check_ledger(names, kind);
    const auto now = context_.counted_time();
    context_.all.with_ledger([&](ledger& book) {
        book.may_fail(names, now);
        book.ordered(names, kind, now);
    });
    ledger_changed();
}

asio::awaitable<void> order_limits::order_kept(std::vector<identifier> names, order_kind kind) {
    const auto shards = context_.all.with_ledger([&](const ledger& book) { return book.shards_of(names, kind); });
    std::vector<std::string> keys;
    for (int shard = 0; shard < ledger::shards; ++shard)
        if (shards.test(static_cast<std::size_t>(shard)))
            keys.push_back(ledger_key(context_.options.directory_url, shard));
    co_await context_.safe.saved_or_failed(std::move(keys));
}

void order_limits::issued(const std::vector<identifier>& names, order_kind kind) {
    const auto now = context_.counted_time();
    context_.all.with_ledger([&](ledger& book) { book.issued(names, kind, now); });
    ledger_changed();
}

void order_limits::may_be_issued(const std::vector<identifier>& names, order_kind kind) {
    const auto now = context_.counted_time();
    context_.all.with_ledger([&](ledger& book) { book.may_be_issued(names, kind, now); });
    ledger_changed();
}

void order_limits::not_issued(const std::vector<identifier>& names, order_kind kind) {
    const auto now = context_.counted_time();
    context_.all.with_ledger([&](ledger& book) { book.not_issued(names, kind, now); });
    ledger_changed();
}

void order_limits::validated(const std::vector<identifier>& names, const std::vector<identifier>& not_authorized) {
    const auto now = context_.counted_time();
    context_.all.with_ledger([&](ledger& book) {
        book.not_failed(names, now);
        book.failed(not_authorized, now);
    });
    ledger_changed();
}

void order_limits::ledger_changed() {
    const auto changed = context_.all.with_ledger([](ledger& book) { return book.take_changed(); });
    for (int shard = 0; shard < ledger::shards; ++shard)
        if (changed.test(static_cast<std::size_t>(shard)))
            context_.save_soon(ledger_key(context_.options.directory_url, shard));
}

void order_limits::limits_changed() {
    remember();
    context_.save_soon(limits_key(context_.options.directory_url));
}

void order_limits::remember() {
    const auto now = context_.counted_time();
    limits_record limits;
    limits.orders_full = now + orders_.debt();
    limits.new_hosts_full = now + new_hosts_.debt();
    limits.polls_full = now + polls_.debt();
    for (const auto ago : ceiling_.taken())
        limits.latest_orders.push_back(now - ago);
    limits.written = now;
    context_.all.set_limits(std::move(limits));
}

void order_limits::restore() {
    const auto limits = context_.all.limits();
    // A clock that is behind a little must not make the debts larger than they were.
    const auto now = std::max(context_.counted_time(), limits.written);
    orders_.restore(between(now, limits.orders_full));
    new_hosts_.restore(between(now, limits.new_hosts_full));
    polls_.restore(between(now, limits.polls_full));
    std::vector<duration> ago;
    for (const auto when : limits.latest_orders)
        ago.push_back(between(when, now));
    ceiling_.restore(std::move(ago));
}

}  // namespace evercert
