#include "tls/handshake_watch.hpp"

#include <algorithm>

#include <asio/post.hpp>

namespace evercert {

void watched_handshake::expire(std::shared_ptr<watched_handshake> handshake) {
    const auto executor = handshake->executor_;
    asio::post(executor, [handshake = std::move(handshake)] {
        if (!handshake->connection_)
            return;
        handshake->expired_ = true;
        handshake->connection_->close();
    });
}

void handshake_watch::begin(const handshake_ptr& handshake, steady_time now) {
    const std::lock_guard lock{mutex_};
    handshake->begun_ = now;
    running_.emplace(key{now, handshake.get()}, handshake);
}

bool handshake_watch::pause(const handshake_ptr& handshake, steady_time now) {
    const std::lock_guard lock{mutex_};
    if (paused_ >= limits_.awaiting_certificate_max)
        return false;
    // Not there if it has just expired: then its connection is about to close.
    running_.erase(key{handshake->begun_, handshake.get()});
    ++paused_;
    handshake->used_ = now - handshake->begun_;
    return true;
}

void handshake_watch::resume(const handshake_ptr& handshake, steady_time now) {
    const std::lock_guard lock{mutex_};
    --paused_;
    handshake->begun_ = now - handshake->used_;
    running_.emplace(key{handshake->begun_, handshake.get()}, handshake);
}

void handshake_watch::end(const handshake_ptr& handshake) noexcept {
    const std::lock_guard lock{mutex_};
    running_.erase(key{handshake->begun_, handshake.get()});
}

bool handshake_watch::full() const noexcept {
    const std::lock_guard lock{mutex_};
    return running_.size() >= limits_.in_progress_max;
}

duration handshake_watch::timeout() const noexcept {
    const bool full = running_.size() >= limits_.in_progress_max;
    return full ? std::min(limits_.timeout, limits_.timeout_when_full) : limits_.timeout;
}

std::vector<handshake_watch::handshake_ptr> handshake_watch::take_expired(steady_time now) {
    const std::lock_guard lock{mutex_};
    std::vector<handshake_ptr> expired;
    const auto limit = timeout();
    while (!running_.empty() && running_.begin()->first.first + limit <= now) {
        expired.push_back(std::move(running_.begin()->second));
        running_.erase(running_.begin());
    }
    return expired;
}

std::optional<steady_time> handshake_watch::next_look(steady_time now) const {
    const std::lock_guard lock{mutex_};
    if (running_.size() + paused_ == 0)
        return {};
    // It may become full before the first one's time is over, or one that stands still may run again.
    const duration slice = std::min(limits_.timeout, limits_.timeout_when_full);
    const auto look = now + slice;
    return running_.empty() ? look : std::min(running_.begin()->first.first + timeout(), look);
}

std::size_t handshake_watch::size() const noexcept {
    const std::lock_guard lock{mutex_};
    return running_.size() + paused_;
}

}  // namespace evercert
