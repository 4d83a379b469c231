#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <unordered_map>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/error.hpp>

#include "base/event.hpp"
#include "base/task_group.hpp"
#include "base/within.hpp"

namespace evercert {

struct single_flight_options {
    std::size_t waiters_per_key_max = 1'000;
    std::size_t waiters_max = 10'000;  ///< and flights, those included that everybody has left
    std::size_t reserved = 0;          ///< besides, for `flight_room::reserved`
};

enum class flight_room { ordinary, reserved };

/// One piece of work per key: whoever asks for a key that is being worked on joins, and all get the same value
/// or the same error. The work belongs to the task group, not to who asked first: a waiter that leaves, or
/// all of them, does not stop it.
///
/// Thread-bound to the group's executor. The group must outlive the flights; it ends them when it is cancelled.
template <typename Key, typename Value>
class single_flight {
public:
    single_flight(asio::any_io_executor executor, task_group& owner, single_flight_options options)
        : state_{std::make_shared<state>(std::move(executor), options)}, owner_{owner} {}

    /// Join the flight of `key`, or start one with the awaitable that `start()` makes. `start` is a plain function,
    /// called before the first suspension. Throws `errc::too_many_waiters`.
    template <typename Start>
    asio::awaitable<Value> run(Key key, Start&& start, flight_room room = flight_room::ordinary) {
        std::shared_ptr<flight> joined = find(key);
        if (joined)
            check_room(*joined, room);
        else
            joined = take_off(std::move(key), start, room);
        return wait(state_, std::move(joined));
    }

    std::size_t size() const noexcept { return state_->flights.size(); }

private:
    struct flight {
        explicit flight(asio::any_io_executor executor) : landed{std::move(executor)} {}
        event landed;
        outcome<Value> result;
        bool done = false;
        std::size_t waiters = 0;
    };

    struct state {
        state(asio::any_io_executor executor, single_flight_options options)
            : executor{std::move(executor)}, options{options} {}
        asio::any_io_executor executor;
        single_flight_options options;
        std::unordered_map<Key, std::shared_ptr<flight>> flights;
        std::size_t waiters = 0;
    };

    class seat {
    public:
        seat(state& all, flight& one) : all_{all}, one_{one} { ++all_.waiters, ++one_.waiters; }
        ~seat() { --all_.waiters, --one_.waiters; }
        seat(const seat&) = delete;

    private:
        state& all_;
        flight& one_;
    };

    std::shared_ptr<flight> find(const Key& key) const {
        const auto at = state_->flights.find(key);
        return at == state_->flights.end() ? nullptr : at->second;
    }

    void check_room(const flight& joined, flight_room room) const {
        const auto reserved = room == flight_room::reserved ? state_->options.reserved : 0;
        if (joined.waiters >= state_->options.waiters_per_key_max + reserved)
            throw error{errc::too_many_waiters, "too many are waiting for this name already; try again later"};
        check_room(state_->waiters, room);
    }

    void check_room(std::size_t taken, flight_room room) const {
        const auto reserved = room == flight_room::reserved ? state_->options.reserved : 0;
        if (taken >= state_->options.waiters_max + reserved)
            throw error{errc::too_many_waiters, "too many are waiting for certificates already; try again later"};
    }

    template <typename Start>
    std::shared_ptr<flight> take_off(Key key, Start& start, flight_room room) {
        // Flights that everybody left go on, and take room until they land.
        check_room(std::max(state_->waiters, state_->flights.size()), room);
        auto made = std::make_shared<flight>(state_->executor);
        state_->flights.emplace(key, made);
        owner_.spawn(fly(state_, std::move(key), made, start()));
        return made;
    }

    static asio::awaitable<void> fly(
        std::shared_ptr<state> all, Key key, std::shared_ptr<flight> self, asio::awaitable<Value> work) {
        try {
            self->result = co_await as_outcome<Value>(std::move(work));
        } catch (...) {
            self->result.thrown = std::current_exception();  // cancelled before it began: land all the same
        }
        self->done = true;
        all->flights.erase(key);
        self->landed.notify_all();
    }

    static asio::awaitable<Value> wait(std::shared_ptr<state> all, std::shared_ptr<flight> joined) {
        seat taken{*all, *joined};
        while (!joined->done)
            co_await joined->landed.wait();
        if (joined->result.thrown)
            std::rethrow_exception(joined->result.thrown);
        co_return *joined->result.value;
    }

    std::shared_ptr<state> state_;
    task_group& owner_;
};

}  // namespace evercert
