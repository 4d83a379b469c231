#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>
#include <evercert/failure_class.hpp>
#include <evercert/identifier.hpp>
#include <evercert/key.hpp>

namespace evercert {

/// What happened in a manager.
enum class event_type {
    registered,  ///< the CA has the account; `text`: its URL
    obtained,    ///< a first certificate for `names` came from the CA
    renewed,     ///< another one came
    loaded,     ///< the store had a later one: another process obtained it; or the file of one of the application's own
    published,  ///< handshakes get it from now on
    rolled_back,        ///< clients could not use it, and get the one before again
    failed,             ///< it could not be obtained; `failure` and `text` say why
    retry_planned,      ///< and is tried again at `next`
    refused,            ///< a client's name was not admitted, or limits hold it up (`text`: which) until `next`
    expiring,           ///< less than a twentieth of its lifetime is left; who renews the application's own?
    expired,            ///< it is served all the same
    forgotten,          ///< it expired long ago and was removed
    renewal_suggested,  ///< the CA moved the time of renewal (RFC 9773) to `next`; `text`: where it explains why
    /// More renewals are due than the limits let through at once, or twice as many as it said before. They go in the order of
    /// what presses most; `text`: how many, `next`: when the last of them goes. See `manager_status::replacement`.
    replacement_planned,
    replacement_done,  ///< none of them waits any more
    clock_doubted,     ///< the wall clock contradicts the evidence; no order, renewal or deletion until it is right
    clock_trusted,     ///< and now it is
    saved,             ///< the store has it; `text`: the key
    save_failed,       ///< it has not; it is tried again
};
inline constexpr std::size_t event_type_count = 19;

/// "registered" … "save_failed".
std::string_view to_string(event_type) noexcept;

/// One line of what happened. Members that say nothing for a type are empty.
class manager_event {
public:
    event_type type = event_type::registered;
    wall_time at = {};
    std::vector<identifier> names;
    /// Printable; quotes what came from outside.
    std::string text;
    std::optional<failure_class> failure;
    std::optional<wall_time> next;
    std::optional<key_type> key;  ///< that the certificate has, or is to have
    std::string serial;           ///< of the certificate, as `certificate::serial()`
};

/// As one line of JSON: {"type":…,"at":"2026-01-31T12:00:00Z","names":[…],…}.
std::string to_json(const manager_event&);

/// A listener's own queue of events, from the moment of `manager::events()` on. Many listeners do not disturb one another,
/// and none of them the manager: when a queue is full the oldest event in it is lost, and counted.
///
/// Thread-safe, but for moves and destruction. May outlive the manager and its io_context, and be read from another one.
class event_stream {
public:
    event_stream(event_stream&&) noexcept;
    event_stream& operator=(event_stream&&) noexcept;
    /// Leaves. A `next()` that still waits ends with `operation_aborted`.
    ~event_stream();

    /// Wait for the next event. Throws `error`: `errc::stopped` once the manager has stopped and every event was taken,
    /// `errc::too_many_waiters` if another `next()` waits already. Cancellation (terminal) takes no event.
    asio::awaitable<manager_event> next();
    /// Take one if there is one.
    std::optional<manager_event> try_next();
    /// How many events this listener lost because it was slow.
    std::uint64_t lost() const noexcept;

private:
    friend class event_bus;
    class queue;
    class last_orders;
    explicit event_stream(std::shared_ptr<queue>);
    std::shared_ptr<queue> queue_;
};

}  // namespace evercert
