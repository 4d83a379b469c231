#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>

namespace evercert {

/// The right to work under a key for a while. `token` grows with every lease of the same key: a store refuses a
/// `save` with an older token than it has seen for the lock (a fencing token), so an owner whose lease ran out
/// unnoticed cannot overwrite its successor.
class lease {
public:
    lease() = default;
    lease(std::string key, std::uint64_t token, wall_time expires)
        : key{std::move(key)}, token{token}, expires{expires} {}

    std::string key;
    std::uint64_t token = 0;  ///< 0 = no lease
    wall_time expires = {};
};

/// Where certificates and accounts are kept: texts under keys. Keys are paths of 1-4 segments such as
/// "certificates/example.com"; a segment has 1-`segment_max` characters from "a-z0-9.-_*:" and is not "." or "..".
/// Values are JSON objects in UTF-8, at most `value_max` bytes.
///
/// Implementations must be reentrant: awaitables of several coroutines may be in progress at once. All throw
/// `error` with `errc::store_failed`, and a text that says what to do, when the store cannot do its work.
class store {
public:
    virtual ~store() = default;

    /// Nothing if there is no value.
    virtual asio::awaitable<std::optional<std::string>> load(std::string key) = 0;

    /// Returns when the value is durable: after a crash either it or the one before is there, whole.
    /// `under.token` other than 0: throws `errc::lock_lost` if a later lease of `under.key` was given out.
    virtual asio::awaitable<void> save(std::string key, std::string value, lease under) = 0;
    asio::awaitable<void> save(std::string key, std::string value);

    /// No error if there is no value.
    virtual asio::awaitable<void> remove(std::string key) = 0;

    /// The keys that begin with `prefix`, in order.
    virtual asio::awaitable<std::vector<std::string>> list(std::string prefix) = 0;

    /// Wait until nobody holds `key` and take it for `length`. Cancellation leaves no lock behind.
    virtual asio::awaitable<lease> lock(std::string key, std::chrono::seconds length) = 0;
    /// No error if the lease is over already.
    virtual asio::awaitable<void> unlock(lease) = 0;

    /// Blocks until no thread of the store's own works for anybody any more. The manager's destructor calls it, while the
    /// io_context that the work's callers resume on is still there.
    virtual void settle() {}

    static constexpr std::size_t value_max = 1 << 20;
    /// A DNS name, ":" and 16 hexadecimal digits.
    static constexpr std::size_t segment_max = 253 + 17;
};

/// Keeps everything in memory, for tests and for managers without a cache. Thread-safe.
std::shared_ptr<store> memory_store(std::shared_ptr<clock> = system_clock());

}  // namespace evercert
