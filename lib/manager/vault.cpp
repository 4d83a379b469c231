#include "manager/vault.hpp"

#include <algorithm>

#include <asio/this_coro.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <evercert/error.hpp>

#include "base/outcome.hpp"

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
    co_await try_save(std::move(key), std::move(value), std::move(under));
}

asio::awaitable<bool> vault::try_save(std::string key, boost::json::object value, lease under) {
    const auto to = store_;
    unsaved_.erase(key);  // what is marked from now on is a later value
    try {
        co_await to->save(key, boost::json::serialize(value), std::move(under));
        co_return true;
    } catch (const error& e) {
        log_(log_level::error, "cannot save {}; it stays in memory and is saved again later: {}", key, e.what());
        if (e.code() == errc::lock_lost)
            co_return false;  // somebody else saved a later one
    } catch (...) {
        unsaved_.insert(key);
        throw;
    }
    unsaved_.insert(key);
    more_.notify_all();
    co_return false;
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
    if (saving_)
        co_return;  // it will see what was marked meanwhile
    const flag_guard saving{saving_};
    std::set<std::string> failed;
    for (auto key = first_unsaved(failed); key; key = first_unsaved(failed)) {
        // As it is now: it may have changed, and been saved, while others were written.
        auto item = state_.item(*key);
        if (!item)
            unsaved_.erase(*key);
        else if (const bool saved = co_await try_save(*key, std::move(*item), lease{}); !saved)
            failed.insert(*key);
    }
}

std::optional<std::string> vault::first_unsaved(const std::set<std::string>& except) const {
    const auto first =
        std::find_if(unsaved_.begin(), unsaved_.end(), [&](const std::string& key) { return !except.contains(key); });
    return first == unsaved_.end() ? std::nullopt : std::optional{*first};
}

}  // namespace evercert
