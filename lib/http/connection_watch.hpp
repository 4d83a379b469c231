#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>
#include <evercert/server_options.hpp>

#include "base/event.hpp"

namespace evercert {

/// A connection that is looked after.
class watched_connection : public std::enable_shared_from_this<watched_connection> {
public:
    explicit watched_connection(asio::any_io_executor executor) : executor_{std::move(executor)} {}
    virtual ~watched_connection() = default;

    /// On the connection's executor, after its deadline; it may have moved on meanwhile.
    virtual void attend() = 0;
    /// On the connection's executor: end when nothing is in flight.
    virtual void drain() = 0;

    const asio::any_io_executor& executor() const noexcept { return executor_; }
    steady_time deadline() const noexcept { return steady_time{duration{deadline_.load(std::memory_order_relaxed)}}; }

protected:
    /// On the connection's executor. Costs a store, so it can be set for every step of every request.
    void set_deadline(steady_time when) noexcept {
        deadline_.store(when.time_since_epoch().count(), std::memory_order_relaxed);
    }

private:
    const asio::any_io_executor executor_;
    std::atomic<duration::rep> deadline_{duration::max().count()};
};

/// Looks after the deadlines of all connections of a server with one sleeping coroutine: nothing is armed or
/// cancelled as they change. A connection is looked at when its deadline has come, as it was at the last look, and at least
/// every `interval()`, which is no longer than any limit; so a deadline is missed by nothing if it is as far away as a limit, and by an
/// interval otherwise. Thread-safe, but for `run()`.
class connection_watch : public std::enable_shared_from_this<connection_watch> {
public:
    class entry;

private:
    using schedule = std::multimap<steady_time, entry*>;

public:
    connection_watch(asio::any_io_executor own, std::shared_ptr<clock>, const server_options&);

    /// As long as it lives, the connection, which must live longer, is looked after.
    class entry {
    public:
        entry(std::shared_ptr<connection_watch> watch, watched_connection& connection);
        ~entry();
        entry(const entry&) = delete;
        entry& operator=(const entry&) = delete;

    private:
        friend class connection_watch;
        std::shared_ptr<connection_watch> watch_;
        watched_connection& connection_;
        steady_time deadline_seen_ = {};
        schedule::iterator at_;
    };

    /// On `own`. Until it is cancelled.
    asio::awaitable<void> run();
    /// Tell all connections, and those that come later, to drain.
    void drain_all();

    /// Between two looks at a connection on which something happened.
    duration interval() const noexcept { return interval_; }

private:
    std::optional<duration> look();
    static void post_drain(watched_connection&);

    const asio::any_io_executor own_;
    const std::shared_ptr<clock> time_;
    const duration idle_interval_;
    const duration interval_;
    event filled_;

    std::mutex mutex_;
    schedule schedule_;
    bool waits_ = false;  ///< `run()` waits for the first connection
    bool draining_ = false;
};

}  // namespace evercert
