#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <evercert/clock.hpp>
#include <evercert/store.hpp>
#include <evercert/watch.hpp>

#include "base/event.hpp"
#include "base/log.hpp"
#include "manager/state.hpp"

namespace evercert {

/// The manager's way to its store. A store that fails does not stop certificates from being served: what could
/// not be saved is remembered and saved again later. Thread-bound to the manager's strand.
class vault {
public:
    vault(
        asio::any_io_executor, std::shared_ptr<store>, const state&, watch_channel&, std::shared_ptr<clock>,
        duration store_timeout, logger);

    void use(std::shared_ptr<store> other) { store_ = std::move(other); }

    /// Nothing if the store has none, or cannot be read, or what it has is not a JSON object: then a line is logged.
    asio::awaitable<std::optional<boost::json::object>> load(std::string key);
    /// Throws nothing but cancellation: what the store cannot save now is saved later.
    asio::awaitable<void> save(std::string key, boost::json::object value, lease under);
    /// Tell the watchers that the state has changed.
    void notify() { watch_.notify(); }
    asio::awaitable<lease> lock(std::string key, std::chrono::seconds length);
    /// Never throws; works in a coroutine that was cancelled, too.
    asio::awaitable<void> unlock(lease);

    /// What has to be saved besides: items of the state that changed without an owner who waits for it.
    void mark_unsaved(const std::string& key);
    /// Save what is marked and what could not be saved before. Throws nothing but cancellation.
    asio::awaitable<void> save_rest();
    /// Do that whenever there is something, until cancelled.
    asio::awaitable<void> keep_saving();

    /// Between two attempts to save: a full disk is not emptied in seconds.
    static constexpr std::chrono::seconds retry_interval{30};

private:
    asio::awaitable<bool> try_save(std::string key, boost::json::object value, lease under);
    std::optional<std::string> first_unsaved(const std::set<std::string>& except) const;

    std::shared_ptr<store> store_;
    const state& state_;
    watch_channel& watch_;
    std::shared_ptr<clock> clock_;
    duration store_timeout_;
    logger log_;
    std::set<std::string> unsaved_;
    bool saving_ = false;
    event more_;
};

}  // namespace evercert
