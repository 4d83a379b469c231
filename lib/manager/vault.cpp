#include "manager/vault.hpp"

#include <algorithm>

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
    std::shared_ptr<clock> time, duration store_timeout, logger log)
    : store_{std::move(first)},
      state_{all},
      watch_{watch},
      clock_{std::move(time)},
      store_timeout_{store_timeout},
      log_{std::move(log)},
      more_{std::move(executor)} {}

asio::awaitable<std::optional<boost::json::object>> vault::load(std::string key) {
    const auto from = store_;
    const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
    std::optional<boost::json::object> loaded;
    try {
        const auto value = co_await within(*clock_, store_timeout_, "loading " + key, from->load(key));
        if (value)
            loaded = boost::json::parse(*value).as_object();
    } catch (const std::exception& e) {
        if (ours.cancelled() != asio::cancellation_type::none)
            throw;
        log_(log_level::error, "what the store has as {} cannot be used: {}", key, e.what());
    }
    co_return loaded;
}

asio::awaitable<void> vault::save(std::string key, boost::json::object value, lease under) {
    co_await try_save(std::move(key), std::move(value), std::move(under));
}

asio::awaitable<bool> vault::try_save(std::string key, boost::json::object value, lease under) {
    const auto to = store_;
    const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
    unsaved_.erase(key);  // what is marked from now on is a later value
    auto text = boost::json::serialize(value);
    try {
        co_await within(*clock_, store_timeout_, "saving " + key, to->save(key, std::move(text), std::move(under)));
        co_return true;
    } catch (const std::exception& e) {
        const auto* known = dynamic_cast<const error*>(&e);
        if (known && known->code() == errc::lock_lost) {
            log_(log_level::warning, "{} is not saved: {}", key, e.what());  // somebody else saved a later one
            co_return false;
        }
        unsaved_.insert(key);
        if (ours.cancelled() != asio::cancellation_type::none)
            throw;
        log_(log_level::error, "cannot save {}; it stays in memory and is saved again later: {}", key, e.what());
    }
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
    auto work = within(*clock_, store_timeout_, "releasing a lock", at->unlock(std::move(given)));
    const auto ended = co_await as_outcome(std::move(work));
    if (ended.thrown)
        log_(log_level::warning, "a lock could not be released; it ends by itself: {}", describe(ended.thrown).text);
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
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
