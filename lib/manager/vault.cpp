#include "manager/vault.hpp"

#include <algorithm>
#include <utility>

#include <asio/this_coro.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/within.hpp"

namespace evercert {
namespace {

class flag_guard {
public:
    explicit flag_guard(bool& flag) : flag_{flag} { flag_ = true; }
    ~flag_guard() { flag_ = false; }
    flag_guard(const flag_guard&) = delete;

private:
    bool& flag_;
};

}  // namespace

vault::vault(
    asio::any_io_executor executor, std::shared_ptr<store> first, const state& all, watch_channel& watch,
    event_bus& events, std::shared_ptr<clock> time, duration store_timeout, logger log)
    : store_{std::move(first)},
      state_{all},
      watch_{watch},
      events_{events},
      clock_{std::move(time)},
      store_timeout_{store_timeout},
      log_{std::move(log)},
      more_{executor},
      more_lazily_{executor} {}

asio::awaitable<std::optional<boost::json::object>> vault::load(std::string key) {
    const auto from = store_;
    const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
    std::optional<boost::json::object> loaded;
    try {
        const auto value = co_await within(*clock_, store_timeout_, "loading " + key, from->load(key));
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
    co_return co_await within(*clock_, store_timeout_, "listing " + prefix, from->list(prefix));
}

asio::awaitable<void> vault::save(std::string key) {
    vault_lease none;
    co_await try_save(std::move(key), std::move(none));
}

asio::awaitable<void> vault::save(std::string key, vault_lease under) {
    co_await try_save(std::move(key), std::move(under));
}

asio::awaitable<void> vault::remove(std::string key) {
    insert_unsaved(key);
    co_await save_or_remove(std::move(key));
}

asio::awaitable<bool> vault::try_save(std::string key, vault_lease under) {
    const auto to = store_;
    const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
    const auto item = state_.item(key);
    if (!item)
        co_return true;
    {
        const std::lock_guard lock{mutex_};
        unsaved_.erase(key);  // what is marked from now on is a later value
    }
    auto text = boost::json::serialize(*item);
    // A lease of the store before says nothing to this one.
    lease fence = under.of == to ? std::move(under.given) : lease{};
    std::string problem;
    try {
        co_await within(*clock_, store_timeout_, "saving " + key, to->save(key, std::move(text), std::move(fence)));
    } catch (const std::exception& e) {
        const auto* known = dynamic_cast<const error*>(&e);
        if (known && known->code() == errc::lock_lost) {
            // Somebody else may have saved a later one, or our lease was too short: the next attempt looks.
            log_(log_level::warning, "{} is not saved now: {}", key, e.what());
        }
        insert_unsaved(key);
        if (ours.cancelled() != asio::cancellation_type::none)
            throw;
        problem = e.what();
    }
    tell(problem.empty() ? event_type::saved : event_type::save_failed, key, problem);
    co_return problem.empty();
}

asio::awaitable<bool> vault::save_or_remove(std::string key) {
    if (state_.item(key)) {
        vault_lease none;
        co_return co_await try_save(std::move(key), std::move(none));
    }
    const auto from = store_;
    const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
    std::string problem;
    try {
        co_await within(*clock_, store_timeout_, "removing " + key, from->remove(key));
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
    vault_lease held;
    held.of = store_;
    held.given = co_await held.of->lock(std::move(key), length);
    co_return held;
}

asio::awaitable<void> vault::unlock(vault_lease held) {
    auto work = within(*clock_, store_timeout_, "releasing a lock", held.of->unlock(std::move(held.given)));
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
    for (;;) {
        while (nothing_unsaved())
            co_await more_.wait();
        co_await save_rest();
        if (!nothing_unsaved())
            co_await clock_->sleep_for(retry_interval);
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
    const flag_guard saving{saving_};
    std::set<std::string> failed;
    for (auto key = first_unsaved(failed); key; key = first_unsaved(failed)) {
        // As it is now: it may have changed, and been saved, while others were written.
        if (const bool saved = co_await save_or_remove(*key); !saved)
            failed.insert(*key);
    }
}

std::optional<std::string> vault::first_unsaved(const std::set<std::string>& except) const {
    const std::lock_guard lock{mutex_};
    const auto first =
        std::find_if(unsaved_.begin(), unsaved_.end(), [&](const std::string& key) { return !except.contains(key); });
    return first == unsaved_.end() ? std::nullopt : std::optional{*first};
}

}  // namespace evercert
