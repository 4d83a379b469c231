#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/error.hpp>
#include <asio/this_coro.hpp>
#include <boost/json/object.hpp>

#include <evercert/clock.hpp>
#include <evercert/store.hpp>
#include <evercert/watch.hpp>

#include "base/event.hpp"
#include "base/failure.hpp"
#include "base/log.hpp"
#include "base/outcome.hpp"
#include "manager/event_bus.hpp"
#include "manager/state.hpp"

namespace evercert {

/// A lease and the store that gave it: another store knows nothing of it.
struct vault_lease {
    std::shared_ptr<store> of;
    lease given;
};

/// The manager's way to its store. A store that fails does not stop certificates from being served: what could
/// not be saved is remembered and saved again later. Thread-bound to the manager's strand.
class vault {
public:
    /// Of one load, save or release, of waiting for a lock, and of what the wall clock may be off.
    struct bounds {
        duration store_timeout;
        duration lock_wait;
        duration clock_tolerance;
    };

    vault(
        asio::any_io_executor, std::shared_ptr<store>, state&, watch_channel&, event_bus&, std::shared_ptr<clock>,
        bounds, logger);

    void use(std::shared_ptr<store> other);

    /// Nothing if the store has none, or what it has is damaged: then a line is logged. Throws if it cannot be read.
    asio::awaitable<std::optional<boost::json::object>> load(std::string key);
    /// The keys that begin so. Throws if the store cannot tell.
    asio::awaitable<std::vector<std::string>> list(std::string prefix);
    /// Save the item of the state. Throws nothing but cancellation: what the store cannot save now is saved later.
    asio::awaitable<void> save(std::string key);
    enum class kept { saved, later, lease_lost };
    /// The same under a lease of `key`. `later`: it could not be saved and is saved later. `lease_lost`: a later lease was given
    /// out, so somebody else may have saved another value; nothing is planned then.
    asio::awaitable<kept> save(std::string key, vault_lease under);
    /// Remove what the state has no more. Throws nothing but cancellation; tried again later, but not where another process
    /// has saved a certificate that has not ended.
    asio::awaitable<void> remove(std::string key);
    /// The same once, and no more: for who holds the lease now.
    asio::awaitable<void> remove_now(std::string key);
    /// Tell the watchers that the state has changed.
    void notify() { watch_.notify(); }
    /// Throws `errc::store_failed` if somebody else has it for longer than `lock_wait`.
    asio::awaitable<vault_lease> lock(std::string key, std::chrono::seconds length);
    /// What `work` comes to. Then the lock is released, whatever that was, and after a cancellation, too. Who is cancelled
    /// meanwhile is told when that is done.
    template <typename T>
    asio::awaitable<T> unlock_after(vault_lease held, asio::awaitable<T> work) {
        const auto longest = bounds_.store_timeout;
        co_return co_await unlock_after(std::move(held), std::move(work), longest);
    }
    /// The same; who is cancelled waits no longer than `if_left` for the release.
    template <typename T>
    asio::awaitable<T> unlock_after(vault_lease held, asio::awaitable<T> work, duration if_left) {
        auto result = co_await as_outcome(std::move(work));
        const bool left = result.thrown && describe(result.thrown).is_cancellation();
        // Otherwise the next await would not even begin. What comes during it is noted: disabled, it would be lost.
        bool left_meanwhile = false;
        const auto note = [&left_meanwhile](asio::cancellation_type) {
            left_meanwhile = true;
            return asio::cancellation_type::none;
        };
        co_await asio::this_coro::reset_cancellation_state(note);
        co_await unlock(std::move(held), left ? if_left : bounds_.store_timeout);
        co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
        if (left_meanwhile && !left)
            throw std::system_error{asio::error::operation_aborted};
        co_return result.get();
    }

    /// What has to be saved besides: items of the state that changed without an owner who waits for it.
    void mark_unsaved(const std::string& key);
    /// The same for what may be lost in a crash without harm: a flood of it is written every `lazy_interval`.
    void mark_unsaved_lazily(const std::string& key);
    /// Save what is marked and what could not be saved before. Throws nothing but cancellation.
    asio::awaitable<void> save_rest();
    /// Until those of these that are marked have been saved once or could not be. Throws nothing but cancellation.
    asio::awaitable<void> saved_or_failed(std::vector<std::string> keys);
    /// Do that whenever there is something, until cancelled.
    asio::awaitable<void> keep_saving();
    asio::awaitable<void> keep_saving_lazily();

    /// From any thread.
    bool is_unsaved(const std::string& key) const;

    /// Between two attempts to save, doubled each time: a full disk is not emptied in seconds, and may stay full for days, in
    /// which nobody wants to hear of each attempt.
    static constexpr std::chrono::seconds retry_interval{30};
    static constexpr std::chrono::minutes retry_interval_max{5};
    static constexpr std::chrono::seconds lazy_interval{10};
    /// A certificate that is saved again, and what processes share, is looked at and saved under its lease. For a certificate the
    /// others wait meanwhile, and who has it may be saving a later one.
    static constexpr std::chrono::milliseconds relock_wait{200};
    static constexpr std::chrono::seconds relock_lease{60};
    /// A store that hangs must not hold up stop(), and such a lease is over soon.
    static constexpr std::chrono::milliseconds relock_leave{200};

private:
    class round_guard;
    asio::awaitable<void> unlock(vault_lease, duration limit);
    asio::awaitable<vault_lease> lock_within(std::string key, std::chrono::seconds length, duration limit);
    asio::awaitable<kept> try_save(std::string key, vault_lease under);
    asio::awaitable<bool> try_remove(std::string key);
    asio::awaitable<bool> act_under_lease(std::string key, duration lock_wait);
    asio::awaitable<std::optional<boost::json::object>> look(std::string key);
    asio::awaitable<bool> save_or_remove_certificate(std::string key, vault_lease held);
    asio::awaitable<bool> merge_and_save(std::string key, vault_lease held);
    bool is_to_stay(const std::string& key, const boost::json::object& stored) const;
    void tell(event_type, const std::string& key, const std::string& problem);
    asio::awaitable<bool> save_or_remove(std::string key);
    std::optional<std::string> first_unsaved() const;
    bool nothing_unsaved() const;
    void insert_unsaved(const std::string& key);

    std::shared_ptr<store> store_;
    state& state_;
    watch_channel& watch_;
    event_bus& events_;
    std::shared_ptr<clock> clock_;
    bounds bounds_;
    logger log_;
    mutable std::mutex mutex_;  ///< of `unsaved_` alone
    std::set<std::string> unsaved_;
    std::set<std::string> lazily_;
    // Of `save_rest`:
    bool saving_ = false;
    std::string saving_now_;
    std::set<std::string> failed_;
    event tried_;  ///< one more
    event more_;
    event more_lazily_;
};

}  // namespace evercert
