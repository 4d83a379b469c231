#include "manager/vault.hpp"

#include <algorithm>
#include <utility>

#include <asio/error.hpp>
#include <asio/this_coro.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/within.hpp"

namespace evercert {
namespace {

asio::awaitable<void> take_lease(
    std::shared_ptr<store> from, std::string key, std::chrono::seconds length, lease& into) {
    into = co_await from->lock(std::move(key), length);
}

}  // namespace

/// One walk of `save_rest` through what is not saved.
class vault::round_guard {
public:
    explicit round_guard(vault& of) : of_{of} {
        of_.saving_ = true;
        of_.failed_.clear();
    }
    ~round_guard() {
        of_.saving_ = false;
        of_.saving_now_.clear();
        of_.tried_.notify_all();
    }
    round_guard(const round_guard&) = delete;

private:
    vault& of_;
};

vault::vault(
    asio::any_io_executor executor, std::shared_ptr<store> first, state& all, watch_channel& watch, event_bus& events,
    std::shared_ptr<clock> time, bounds given, logger log)
    : store_{std::move(first)},
      state_{all},
      watch_{watch},
      events_{events},
      clock_{std::move(time)},
      bounds_{given},
      log_{std::move(log)},
      tried_{executor},
      more_{executor},
      more_lazily_{executor} {}

void vault::use(std::shared_ptr<store> other) {
    store_ = std::move(other);
    state_.store_changed();
}

asio::awaitable<std::optional<boost::json::object>> vault::load(std::string key) {
    const auto from = store_;
    const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
    std::optional<boost::json::object> loaded;
    try {
        const auto value = co_await within(*clock_, bounds_.store_timeout, "loading " + key, from->load(key));
        if (value)
            loaded = boost::json::parse(*value).as_object();
    } catch (const std::exception& e) {
        const auto* known = dynamic_cast<const error*>(&e);
        // What is damaged is as if it were not there; a store that cannot be read just now has it all the same.
        if (ours.cancelled() != asio::cancellation_type::none || (known && known->code() != errc::state_damaged))
            throw;
        log_(log_level::error, "what the store has as {} cannot be used: {}", key, e.what());
    }
    co_return loaded;
}

asio::awaitable<std::vector<std::string>> vault::list(std::string prefix) {
    const auto from = store_;
    co_return co_await within(*clock_, bounds_.store_timeout, "listing " + prefix, from->list(prefix));
}

asio::awaitable<void> vault::save(std::string key) {
    vault_lease none;
    co_await try_save(std::move(key), std::move(none));
}

asio::awaitable<vault::kept> vault::save(std::string key, vault_lease under) {
    co_return co_await try_save(std::move(key), std::move(under));
}

asio::awaitable<void> vault::remove(std::string key) {
    insert_unsaved(key);
    co_await try_remove(std::move(key));
}

asio::awaitable<void> vault::remove_now(std::string key) {
    const bool removed = co_await try_remove(key);
    if (!removed)
        log_(log_level::info, "{} stays in the store", key);
}

asio::awaitable<vault::kept> vault::try_save(std::string key, vault_lease under) {
    const auto to = store_;
    const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
    const auto item = state_.item(key);
    if (!item)
        co_return kept::saved;
    {
        const std::lock_guard lock{mutex_};
        unsaved_.erase(key);  // what is marked from now on is a later value
    }
    auto text = boost::json::serialize(*item);
    // A lease of the store before says nothing to this one.
    lease fence = under.of == to ? std::move(under.given) : lease{};
    std::string problem;
    try {
        co_await within(
            *clock_, bounds_.store_timeout, "saving " + key, to->save(key, std::move(text), std::move(fence)));
    } catch (const std::exception& e) {
        const auto* known = dynamic_cast<const error*>(&e);
        if (known && known->code() == errc::lock_lost) {
            log_(log_level::warning, "{} is not saved now: {}", key, e.what());
            co_return kept::lease_lost;
        }
        insert_unsaved(key);
        if (ours.cancelled() != asio::cancellation_type::none)
            throw;
        problem = e.what();
    }
    tell(problem.empty() ? event_type::saved : event_type::save_failed, key, problem);
    co_return problem.empty() ? kept::saved : kept::later;
}

asio::awaitable<bool> vault::try_remove(std::string key) {
    const auto from = store_;
    const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
    std::string problem;
    try {
        co_await within(*clock_, bounds_.store_timeout, "removing " + key, from->remove(key));
        const std::lock_guard lock{mutex_};
        unsaved_.erase(key);
    } catch (const std::exception& e) {
        if (ours.cancelled() != asio::cancellation_type::none)
            throw;
        problem = e.what();
    }
    if (!problem.empty())
        tell(event_type::save_failed, key, problem);
    co_return problem.empty();
}

asio::awaitable<bool> vault::save_or_remove(std::string key) {
    if (key.starts_with(certificates_prefix))
        co_return co_await act_under_lease(std::move(key), relock_wait);
    if (state_.is_shared(key))
        co_return co_await act_under_lease(std::move(key), bounds_.lock_wait);
    if (!state_.item(key))
        co_return co_await try_remove(std::move(key));
    vault_lease none;
    const auto outcome = co_await try_save(std::move(key), std::move(none));
    co_return outcome == kept::saved;
}

asio::awaitable<bool> vault::act_under_lease(std::string key, duration lock_wait) {
    auto locked = co_await as_outcome(lock_within(key, relock_lease, lock_wait));
    if (locked.thrown) {
        const auto failed = describe(locked.thrown);
        if (failed.is_cancellation())
            std::rethrow_exception(locked.thrown);
        tell(event_type::save_failed, key, failed.text);
        co_return false;
    }
    asio::awaitable<bool> work;
    if (key.starts_with(certificates_prefix))
        work = save_or_remove_certificate(std::move(key), *locked.value);
    else
        work = merge_and_save(std::move(key), *locked.value);
    auto acted = co_await as_outcome(unlock_after(std::move(*locked.value), std::move(work), relock_leave));
    if (acted.thrown && describe(acted.thrown).is_cancellation())
        std::rethrow_exception(acted.thrown);
    co_return !acted.thrown && *acted.value;
}

asio::awaitable<std::optional<boost::json::object>> vault::look(std::string key) {
    auto looked = co_await as_outcome(load(key));
    if (looked.thrown) {
        const auto failed = describe(looked.thrown);
        if (!failed.is_cancellation())
            tell(event_type::save_failed, key, failed.text);
    }
    co_return looked.get();
}

/// Whoever had the lease since may have saved a later one.
asio::awaitable<bool> vault::save_or_remove_certificate(std::string key, vault_lease held) {
    const auto stored = co_await look(key);
    if (stored && is_to_stay(key, *stored)) {
        log_(log_level::info, "the store has a later certificate as {}, which stays", key);
        const std::lock_guard lock{mutex_};
        unsaved_.erase(key);
        co_return true;
    }
    if (!state_.item(key))
        co_return co_await try_remove(std::move(key));
    const auto outcome = co_await try_save(key, std::move(held));
    if (outcome == kept::lease_lost)
        insert_unsaved(key);
    co_return outcome == kept::saved;
}

/// Other processes count in it, too.
asio::awaitable<bool> vault::merge_and_save(std::string key, vault_lease held) {
    const auto stored = co_await look(key);
    const clock_look look_now{clock_->wall(), clock_->steady()};
    const auto now = state_.counted_time(look_now, bounds_.clock_tolerance);
    try {
        const int damaged = state_.merge(key, stored, held.given.token, now);
        if (damaged > 0)
            log_(log_level::error, "{} entries of {} in the store are damaged and left out", damaged, key);
    } catch (const error& e) {
        log_(log_level::error, "{} in the store is damaged, and is written anew: {}", key, e.what());
    }
    const auto outcome = co_await try_save(key, std::move(held));
    if (outcome == kept::saved)
        state_.saved(key);
    else if (outcome == kept::lease_lost)
        insert_unsaved(key);
    co_return outcome == kept::saved;
}

bool vault::is_to_stay(const std::string& key, const boost::json::object& stored) const {
    try {
        const auto there = read_certificate(stored);
        if (kind_of(there.certificate->type()) != kind_in(key))
            return false;  // it is kept elsewhere by now
        const auto ours = state_.certificate(key);
        return ours ? ours->gives_way_to(there) : there.certificate->not_after() > clock_->wall();
    } catch (const error&) {
        return false;  // damaged: nobody can use it
    }
}

void vault::tell(event_type what, const std::string& key, const std::string& problem) {
    if (what == event_type::save_failed) {
        log_(log_level::error, "cannot save {}; it stays in memory and is saved again later: {}", key, problem);
        more_.notify_all();
    }
    if (!events_.anybody())
        return;
    manager_event event;
    event.type = what;
    event.at = clock_->wall();
    event.text = problem.empty() ? key : key + ": " + problem;
    if (what == event_type::save_failed)
        event.failure = failure_class::local;
    events_.publish(std::move(event));
}

asio::awaitable<vault_lease> vault::lock(std::string key, std::chrono::seconds length) {
    auto what = key;
    auto locked = co_await as_outcome(lock_within(std::move(key), length, bounds_.lock_wait));
    if (locked.thrown && describe(locked.thrown).code == errc::timed_out)
        throw error{
            errc::store_failed,
            fmt::format(
                "somebody else works under the store's lock {} for longer than {} s (manager_options::lock_wait). It "
                "is tried "
                "again later; if no other process uses this store, one that was killed left the lock, which ends by "
                "itself",
                what, std::chrono::ceil<std::chrono::seconds>(bounds_.lock_wait).count())};
    co_return locked.get();
}

asio::awaitable<vault_lease> vault::lock_within(std::string key, std::chrono::seconds length, duration limit) {
    vault_lease held;
    held.of = store_;
    const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
    auto what = "waiting for the lock " + key;
    auto work = take_lease(held.of, std::move(key), length, held.given);
    const auto ended = co_await as_outcome(within(*clock_, limit, std::move(what), std::move(work)));
    // It may have been granted in the moment in which the time was up or the caller left: nobody else would release it.
    if (held.given.token != 0 && ours.cancelled() == asio::cancellation_type::none)
        co_return held;
    if (held.given.token != 0) {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await unlock(std::move(held), bounds_.store_timeout);
        throw std::system_error{asio::error::operation_aborted};
    }
    if (ended.thrown)
        std::rethrow_exception(ended.thrown);
    throw error{errc::store_failed, "the store gave a lease without a token: it cannot be used as a store"};
}

asio::awaitable<void> vault::unlock(vault_lease held, duration limit) {
    auto work = within(*clock_, limit, "releasing a lock", held.of->unlock(std::move(held.given)));
    const auto ended = co_await as_outcome(std::move(work));
    if (ended.thrown)
        log_(log_level::warning, "a lock could not be released; it ends by itself: {}", describe(ended.thrown).text);
}

void vault::insert_unsaved(const std::string& key) {
    const std::lock_guard lock{mutex_};
    unsaved_.insert(key);
}

bool vault::is_unsaved(const std::string& key) const {
    const std::lock_guard lock{mutex_};
    return unsaved_.contains(key);
}

bool vault::nothing_unsaved() const {
    const std::lock_guard lock{mutex_};
    return unsaved_.empty();
}

void vault::mark_unsaved(const std::string& key) {
    insert_unsaved(key);
    more_.notify_all();
    notify();
}

void vault::mark_unsaved_lazily(const std::string& key) {
    lazily_.insert(key);
    more_lazily_.notify_all();
    notify();
}

asio::awaitable<void> vault::keep_saving() {
    duration wait = retry_interval;
    for (;;) {
        while (nothing_unsaved()) {
            wait = retry_interval;
            co_await more_.wait();
        }
        co_await save_rest();
        if (nothing_unsaved())
            continue;
        co_await clock_->sleep_for(wait);
        wait = std::min<duration>(2 * wait, retry_interval_max);
    }
}

asio::awaitable<void> vault::keep_saving_lazily() {
    for (;;) {
        while (lazily_.empty())
            co_await more_lazily_.wait();
        co_await clock_->sleep_for(lazy_interval);
        co_await save_rest();
    }
}

asio::awaitable<void> vault::save_rest() {
    for (auto& key : std::exchange(lazily_, {}))
        insert_unsaved(key);
    if (saving_)
        co_return;  // it will see what was marked meanwhile
    const round_guard round{*this};
    for (auto key = first_unsaved(); key; key = first_unsaved()) {
        saving_now_ = *key;
        // As it is now: it may have changed, and been saved, while others were written.
        if (const bool saved = co_await save_or_remove(*key); !saved)
            failed_.insert(*key);
        saving_now_.clear();
        tried_.notify_all();
    }
}

asio::awaitable<void> vault::saved_or_failed(std::vector<std::string> keys) {
    const auto is_saved = [this](const std::string& key) { return key != saving_now_ && !is_unsaved(key); };
    if (std::all_of(keys.begin(), keys.end(), is_saved))
        co_return;
    if (!saving_)
        co_await save_rest();
    const auto is_to_come = [this](const std::string& key) {
        return key == saving_now_ || (is_unsaved(key) && !failed_.contains(key));
    };
    while (saving_ && std::any_of(keys.begin(), keys.end(), is_to_come))
        co_await tried_.wait();
}

std::optional<std::string> vault::first_unsaved() const {
    const std::lock_guard lock{mutex_};
    const auto first =
        std::find_if(unsaved_.begin(), unsaved_.end(), [&](const std::string& key) { return !failed_.contains(key); });
    return first == unsaved_.end() ? std::nullopt : std::optional{*first};
}

}  // namespace evercert
