#include "http/connection_watch.hpp"

#include <algorithm>
#include <utility>

#include <asio/post.hpp>

#include "http/server_limits.hpp"

namespace evercert {

namespace {

// A connection on which nothing happens costs a look in so much time.
constexpr std::chrono::seconds idle_interval_max{5};
// A handler whose client has gone is noticed after so much time.
constexpr std::chrono::seconds interval_max{1};

duration shortest_limit(const server_options& options) {
    duration shortest = std::min<duration>(idle_interval_max, std::min(linger_timeout, half_closed_grace));
    for (const auto each :
         {options.head_timeout, options.body_timeout, options.write_timeout, options.idle_timeout,
          options.request_timeout})
        shortest = std::min<duration>(shortest, each);
    return shortest;
}

}  // namespace

connection_watch::connection_watch(
    asio::any_io_executor own, std::shared_ptr<clock> time, const server_options& options)
    : own_{own},
      time_{std::move(time)},
      idle_interval_{shortest_limit(options)},
      interval_{std::min<duration>(idle_interval_, interval_max)},
      filled_{std::move(own)} {}

connection_watch::entry::entry(std::shared_ptr<connection_watch> watch, watched_connection& connection)
    : watch_{std::move(watch)}, connection_{connection} {
    const auto first = watch_->time_->steady() + watch_->interval_;
    const std::lock_guard lock{watch_->mutex_};
    at_ = watch_->schedule_.insert({first, this});
    if (watch_->draining_)
        post_drain(connection);
    if (std::exchange(watch_->waits_, false))
        asio::post(watch_->own_, [watch = watch_] { watch->filled_.notify_all(); });
}

connection_watch::entry::~entry() {
    const std::lock_guard lock{watch_->mutex_};
    watch_->schedule_.erase(at_);
}

asio::awaitable<void> connection_watch::run() {
    const auto self = shared_from_this();
    for (;;) {
        const auto pause = self->look();
        if (pause)
            co_await self->time_->sleep_for(*pause);
        else
            co_await self->filled_.wait();
    }
}

/// How long until the next one; nothing if there is no connection.
std::optional<duration> connection_watch::look() {
    const auto now = time_->steady();
    const std::lock_guard lock{mutex_};
    while (!schedule_.empty() && schedule_.begin()->first <= now) {
        auto node = schedule_.extract(schedule_.begin());
        entry& each = *node.mapped();
        const auto deadline = each.connection_.deadline();
        const bool quiet = std::exchange(each.deadline_seen_, deadline) == deadline;
        auto next = now + (quiet ? idle_interval_ : interval_);
        if (deadline <= now)
            asio::post(each.connection_.executor(), [alive = each.connection_.shared_from_this()] { alive->attend(); });
        else
            next = std::min(next, deadline);
        node.key() = next;
        each.at_ = schedule_.insert(std::move(node));
    }
    waits_ = schedule_.empty();
    if (waits_)
        return {};
    return schedule_.begin()->first - now;
}

void connection_watch::drain_all() {
    const std::lock_guard lock{mutex_};
    draining_ = true;
    for (const auto& [when, each] : schedule_)
        post_drain(each->connection_);
}

void connection_watch::post_drain(watched_connection& connection) {
    asio::post(connection.executor(), [alive = connection.shared_from_this()] { alive->drain(); });
}

}  // namespace evercert
