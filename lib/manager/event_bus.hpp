#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include <evercert/events.hpp>

namespace evercert {

/// The manager's side of `event_stream`: gives each event to every listener, in the same order to all of them, and
/// waits for none. A stream that was destroyed is forgotten. Thread-safe.
class event_bus {
public:
    /// `waiting_max`: how many events a slow listener may leave in its queue, 1 or more.
    explicit event_bus(std::size_t waiting_max);
    /// As `close()`.
    ~event_bus();
    event_bus(const event_bus&) = delete;
    event_bus& operator=(const event_bus&) = delete;

    /// After `close()`, a stream that has ended.
    event_stream subscribe();
    /// Nothing after `close()`.
    void publish(manager_event);
    /// The streams give what they have and end with `errc::stopped`.
    void close();

    /// False if an event need not be made.
    bool anybody() const;

private:
    void forget_those_who_left();

    const std::size_t waiting_max_;
    mutable std::mutex mutex_;
    bool closed_ = false;
    std::vector<std::weak_ptr<event_stream::queue>> listeners_;
};

}  // namespace evercert
