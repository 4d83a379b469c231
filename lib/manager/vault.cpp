#include "manager/vault.hpp"

#include <asio/this_coro.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <evercert/error.hpp>

#include "base/outcome.hpp"

namespace evercert {

vault::vault(
    asio::any_io_executor executor, std::shared_ptr<store> first, const state& all, watch_channel& watch,
    std::shared_ptr<clock> time, logger log)
    : store_{std::move(first)},
      state_{all},
      watch_{watch},
      clock_{std::move(time)},
      log_{std::move(log)},
      more_{std::move(executor)} {}

asio::awaitable<std::optional<boost::json::object>> vault::load(std::string key) {
    const auto from = store_;
    std::optional<boost::json::object> loaded;
    try {
        const auto value = co_await from->load(key);
        if (value)
            loaded = boost::json::parse(*value).as_object();
    } catch (const error& e) {
        log_(log_level::error, "cannot load {}: {}", key, e.what());
    } catch (const boost::system::system_error& e) {
        log_(log_level::error, "what the store has as {} is not a JSON object and is ignored: {}", key, e.what());
    }
    co_return loaded;
}

asio::awaitable<void> vault::save(std::string key, boost::json::object value, lease under) {
    const auto to = store_;
    unsaved_.insert(key);
    try {
        co_await to->save(key, boost::json::serialize(value), std::move(under));
        unsaved_.erase(key);
    } catch (const error& e) {
        log_(log_level::error, "cannot save {}; it stays in memory and is saved again later: {}", key, e.what());
        if (e.code() == errc::lock_lost)
            unsaved_.erase(key);  // somebody else saved a later one
        more_.notify_all();
    }
}

asio::awaitable<lease> vault::lock(std::string key, std::chrono::seconds length) {
    const auto at = store_;
    co_return co_await at->lock(std::move(key), length);
}

asio::awaitable<void> vault::unlock(lease given) {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const auto at = store_;
    const auto ended = co_await as_outcome(at->unlock(std::move(given)));
    if (ended.thrown)
        log_(log_level::warning, "a lock could not be released; it ends by itself");
}

void vault::mark_unsaved(const std::string& key) {
    unsaved_.insert(key);
    more_.notify_all();
    notify();
}

asio::awaitable<void> vault::keep_saving() {
    for (;;) {
        while (unsaved_.empty())
            co_await more_.wait();
        co_await save_rest();
        if (!unsaved_.empty())
            co_await clock_->sleep_for(retry_interval);
    }
}

asio::awaitable<void> vault::save_rest() {
    const auto keys = unsaved_;
    for (const auto& key : keys) {
        // As it is now: it may have changed, and been saved, while others were written.
        auto item = state_.item(key);
        if (item)
            co_await save(key, std::move(*item), lease{});
        else
            unsaved_.erase(key);
    }
}

}  // namespace evercert
