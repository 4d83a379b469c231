#include "manager/certificate_keeper.hpp"

#include <random>

#include <asio/experimental/awaitable_operators.hpp>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "renewal/schedule.hpp"

namespace evercert {
namespace {

duration interval_of(const rate& limit) { return limit.interval; }

double draw() {
    static thread_local std::mt19937_64 engine{std::random_device{}()};
    return std::uniform_real_distribution<double>{0, 1}(engine);
}

bool is_own_limit(const failure& what) { return what.code == errc::rate_limited && !what.from_ca; }

/// What may be waited for the application: as long as it takes.
constexpr duration no_end = std::chrono::hours{24 * 365 * 100};

}  // namespace

certificate_keeper::certificate_keeper(
    asio::any_io_executor executor, task_group& tasks, const manager_options& options, state& all, vault& safe,
    certificate_index& index, account_keeper& accounts, issuer orders_by, logger log)
    : options_{options},
      state_{all},
      vault_{safe},
      index_{index},
      accounts_{accounts},
      issuer_{std::move(orders_by)},
      log_{std::move(log)},
      tasks_{tasks},
      orders_{
          executor, options.clock, token_bucket{interval_of(options.orders), options.orders.burst}, "new orders",
          options.waiters_max},
      new_hosts_{
          executor, options.clock, token_bucket{interval_of(options.new_hosts), options.new_hosts.burst},
          "new host names", options.waiters_max},
      in_progress_{executor, options.orders_in_progress_max},
      flights_{executor, tasks, {options.waiters_per_name_max, options.waiters_max}},
      failures_{options.failures_remembered_max, options.failure_memory, options.failure_memory_max},
      replanned_{executor} {}

duration certificate_keeper::longest_wait(purpose why) const {
    return why == purpose::handshake ? duration{options_.handshake_wait} : no_end;
}

// The ways in.

asio::awaitable<certificate_ptr> certificate_keeper::obtain(std::vector<identifier> names) {
    for (const auto& name : names)
        if (!state_.admits(name))
            throw error{errc::name_not_allowed, name.value() + " is not in the host list: add it by set_hosts()"};
    auto first = co_await as_outcome(join(names, purpose::application));
    // The flight may have been a handshake's, which does not wait for our limits as an application does.
    if (first.thrown && is_own_limit(describe(first.thrown)))
        co_return co_await join(std::move(names), purpose::application);
    co_return first.get();
}

asio::awaitable<certificate_ptr> certificate_keeper::obtain_for_handshake(identifier name) {
    if (!state_.admits(name))
        throw error{errc::name_not_allowed, name.value() + " is not in the host list"};
    std::vector<identifier> names{name};
    if (const auto failed = failures_.find(certificate_key(names), options_.clock->steady()))
        std::rethrow_exception(failed);
    co_return co_await join(std::move(names), purpose::handshake);
}

asio::awaitable<void> certificate_keeper::obtain_in_background(identifier name) {
    // A client decides how often this happens: what there is to tell was told by the flight.
    const auto result = co_await as_outcome(obtain_for_handshake(name));
    if (result.thrown)
        log_(log_level::debug, "no certificate for {}: {}", name.value(), describe(result.thrown).text);
}

asio::awaitable<certificate_ptr> certificate_keeper::join(std::vector<identifier> names, purpose why) {
    auto key = certificate_key(names);
    auto start = [this, &names, why] { return fly(std::move(names), why); };
    co_return co_await flights_.run(std::move(key), start);
}

// One flight.

asio::awaitable<certificate_ptr> certificate_keeper::fly(std::vector<identifier> names, purpose why) {
    const auto key = certificate_key(names);
    auto result = co_await as_outcome(fetch(names, why));
    if (result.thrown)
        remember_failure(names, result.thrown);
    else
        failures_.forget(key);
    co_return result.get();
}

asio::awaitable<certificate_ptr> certificate_keeper::fetch(std::vector<identifier> names, purpose why) {
    co_await load_limits();
    if (why != purpose::renewal)
        if (auto loaded = co_await load(names))
            co_return loaded;
    // Before the lock: a lease is no place to wait in.
    co_await pass_new_host_limit(why);
    co_await pass_order_limit(why);
    // Two challenges, each in an order of its own.
    const auto length = std::chrono::ceil<std::chrono::seconds>(2 * options_.order_timeout);
    auto held = co_await vault_.lock(certificate_key(names), length);
    auto result = co_await as_outcome(load_or_order(std::move(names), why, held));
    co_await vault_.unlock(std::move(held));
    co_return result.get();
}

asio::awaitable<certificate_ptr> certificate_keeper::load(std::vector<identifier> names) {
    const auto key = certificate_key(names);
    const auto stored = co_await vault_.load(key);
    if (!stored)
        co_return nullptr;
    const auto current = state_.certificate(key);
    try {
        auto record = read_certificate(*stored);
        verify_servable(*record.certificate, names, options_.clock->wall());
        if (current && record.certificate->not_after() <= current->certificate->not_after())
            co_return nullptr;
        publish(key, record);
        co_return record.certificate;
    } catch (const error& e) {
        log_(log_level::warning, "the store's certificate for {} is not used: {}", to_string(names), e.what());
    }
    co_return nullptr;
}

asio::awaitable<certificate_ptr> certificate_keeper::load_or_order(
    std::vector<identifier> names, purpose why, lease held) {
    // Another machine may have been faster.
    if (auto loaded = co_await load(names))
        co_return loaded;
    const auto key = certificate_key(names);
    certificate_record record;
    record.names = names;
    record.draw = draw();
    record.certificate = co_await order(std::move(names), why);
    state_.set_certificate(key, record);
    co_await vault_.save(key, to_json(record), std::move(held));
    publish(key, record);
    // A CA that dates back, or a clock that is ahead, must not have it renewed again and again.
    const auto now = options_.clock->wall();
    const auto& fresh = *record.certificate;
    renewals_.plan(
        key,
        not_at_once(
            renewal_time(fresh.not_before(), fresh.not_after(), record.draw), now, fresh.not_after(),
            options_.retry_first));
    co_return record.certificate;
}

asio::awaitable<certificate_ptr> certificate_keeper::order(std::vector<identifier> names, purpose why) {
    issuer::lessons learned;
    bool registered_again = false;
    for (bool first = true;; first = false) {
        if (!first)
            co_await pass_order_limit(why);
        auto result = co_await as_outcome(order_once(names, learned));
        if (!result.thrown)
            co_return *result.value;
        if (learned.try_again) {
            log_(log_level::warning, "the challenge for {} failed; trying another one", to_string(names));
        } else if (!registered_again && describe(result.thrown).code == errc::account_does_not_exist) {
            log_(log_level::warning, "the CA has forgotten the account; registering its key again");
            accounts_.forget();
            registered_again = true;
        } else {
            std::rethrow_exception(result.thrown);
        }
    }
}

asio::awaitable<certificate_ptr> certificate_keeper::order_once(
    std::vector<identifier> names, issuer::lessons& learned) {
    const auto permit = co_await in_progress_.acquire();
    const auto client = co_await accounts_.client();
    co_return co_await issuer_.order(*client, std::move(names), learned);
}

void certificate_keeper::publish(const std::string& key, const certificate_record& record) {
    state_.set_certificate(key, record);
    index_.publish(record.certificate);
    renewal_failures_.erase(key);
    plan(key, record);
    replanned_.notify_all();
    vault_.notify();
}

void certificate_keeper::remember_failure(const std::vector<identifier>& names, std::exception_ptr thrown) {
    const auto failed = describe(thrown);
    // A cancellation says nothing about the name, and our own limits answer for themselves.
    if (failed.is_cancellation() || is_own_limit(failed))
        return;
    log_(log_level::warning, "no certificate for {}: {}", to_string(names), failed.text);
    failures_.remember(
        certificate_key(names), thrown, options_.clock->steady(), failed.retry_after.value_or(std::chrono::seconds{}));
}

// Limits.

asio::awaitable<void> certificate_keeper::pass_new_host_limit(purpose why) {
    if (why == purpose::renewal || !state_.hosts().any)
        co_return;
    co_await new_hosts_.acquire(longest_wait(why));
    limits_changed();
}

asio::awaitable<void> certificate_keeper::pass_order_limit(purpose why) {
    co_await orders_.acquire(longest_wait(why));
    limits_changed();
}

void certificate_keeper::limits_changed() {
    const auto now = options_.clock->wall();
    const limits_record limits{now + orders_.debt(), now + new_hosts_.debt()};
    state_.set_limits(limits);
    tasks_.spawn(vault_.save(std::string{limits_key}, to_json(limits), lease{}));
}

void certificate_keeper::restore_limits() {
    const auto now = options_.clock->wall();
    const auto limits = state_.limits();
    orders_.restore(limits.orders_full - now);
    new_hosts_.restore(limits.new_hosts_full - now);
    limits_loaded_ = true;
}

asio::awaitable<void> certificate_keeper::load_limits() {
    if (limits_loaded_)
        co_return;
    const auto stored = co_await vault_.load(std::string{limits_key});
    if (limits_loaded_)
        co_return;
    try {
        if (stored)
            state_.set_limits(read_limits(*stored));
    } catch (const error& e) {
        log_(log_level::error, "the limits in the store are damaged, and start anew: {}", e.what());
    }
    restore_limits();
}

// Renewal.

asio::awaitable<void> certificate_keeper::renew() {
    using namespace asio::experimental::awaitable_operators;
    for (;;) {
        const auto next = renewals_.next();
        if (!next) {
            co_await replanned_.wait();
        } else if (next->when > options_.clock->wall()) {
            co_await (as_outcome(replanned_.wait()) || as_outcome(options_.clock->sleep_until(next->when)));
        } else {
            renewals_.forget(next->key);
            tasks_.spawn(renew_one(next->key));
        }
    }
}

asio::awaitable<void> certificate_keeper::renew_one(std::string key) {
    const auto record = state_.certificate(key);
    if (!record)
        co_return;
    for (const auto& name : record->names)
        if (!state_.admits(name))
            co_return;
    log_(log_level::info, "renewing the certificate for {}", to_string(record->names));
    auto result = co_await as_outcome(join(record->names, purpose::renewal));
    if (result.thrown)
        plan_retry(key, *record, result.thrown);
}

void certificate_keeper::plan_retry(
    const std::string& key, const certificate_record& record, std::exception_ptr thrown) {
    const auto failed = describe(thrown);
    if (failed.is_cancellation())
        return;
    const auto now = options_.clock->wall();
    const auto left = record.certificate->not_after() - now;
    auto delay = retry_delay(++renewal_failures_[key], options_.retry_first, options_.retry_max, left);
    delay = std::max<duration>(delay, failed.retry_after.value_or(std::chrono::seconds{}));
    log_(
        left > duration{} ? log_level::warning : log_level::error,
        "renewing the certificate for {} failed; it has {} h left; trying again in {} s: {}", to_string(record.names),
        std::chrono::duration_cast<std::chrono::hours>(left).count(),
        std::chrono::duration_cast<std::chrono::seconds>(delay).count(), failed.text);
    renewals_.plan(key, now + delay);
    replanned_.notify_all();
}

void certificate_keeper::publish_all() {
    std::vector<certificate_ptr> all;
    for (const auto& [key, record] : state_.certificates())
        all.push_back(record.certificate);
    index_.replace(all);
    // What was obtained between the look and the replacement.
    for (const auto& [key, record] : state_.certificates())
        index_.publish(record.certificate);
}

void certificate_keeper::hosts_changed() {
    failures_.clear();
    plan_all();  // what was not admitted when it was due may be now
}

void certificate_keeper::plan_all() {
    renewals_.clear();
    for (const auto& [key, record] : state_.certificates())
        plan(key, record);
    replanned_.notify_all();
}

void certificate_keeper::plan(const std::string& key, const certificate_record& record) {
    const auto& cert = *record.certificate;
    renewals_.plan(key, renewal_time(cert.not_before(), cert.not_after(), record.draw));
}

}  // namespace evercert
