#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <evercert/clock.hpp>
#include <evercert/network.hpp>
#include <evercert/tls_acceptor_options.hpp>

namespace evercert {

/// A handshake that has a deadline, on the executor of its connection.
class watched_handshake {
public:
    explicit watched_handshake(asio::any_io_executor executor) : executor_{std::move(executor)} {}

    /// What is closed when it takes too long; null when it has ended.
    void is_about(stream* connection) noexcept { connection_ = connection; }
    bool expired() const noexcept { return expired_; }
    /// From any thread.
    static void expire(std::shared_ptr<watched_handshake>);

private:
    friend class handshake_watch;

    asio::any_io_executor executor_;
    stream* connection_ = nullptr;
    bool expired_ = false;
    // Of the watch:
    steady_time begun_;
    duration used_{};
};

/// The handshakes in progress and their deadlines: one timer for all, since a timer for each would cost a system call or two.
/// Thread-safe.
class handshake_watch {
public:
    using handshake_ptr = std::shared_ptr<watched_handshake>;

    explicit handshake_watch(const tls_handshake_limits& limits) : limits_{limits} {}

    void begin(const handshake_ptr&, steady_time now);
    /// It awaits its certificate: its time stands still. False if as many await theirs as may.
    bool pause(const handshake_ptr&, steady_time now);
    void resume(const handshake_ptr&, steady_time now);
    void end(const handshake_ptr&) noexcept;

    /// As many as may wait for their clients.
    bool full() const noexcept;
    /// Those whose time is over, and when to look again; nothing if there is none to look at.
    std::vector<handshake_ptr> take_expired(steady_time now);
    std::optional<steady_time> next_look(steady_time now) const;
    /// With those that await their certificate.
    std::size_t size() const noexcept;

private:
    using key = std::pair<steady_time, const watched_handshake*>;
    duration timeout() const noexcept;

    const tls_handshake_limits limits_;
    mutable std::mutex mutex_;
    /// By the moment from which the whole timeout runs: when it began, without the time in which it stood still.
    std::map<key, handshake_ptr> running_;
    std::size_t paused_ = 0;
};

}  // namespace evercert
