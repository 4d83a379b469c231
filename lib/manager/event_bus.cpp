#include "manager/event_bus.hpp"

#include <algorithm>
#include <deque>

#include <asio/experimental/concurrent_channel.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/error.hpp>

namespace evercert {
namespace {

/// Holds one signal, so that one that comes before the wait begins is not lost.
using signal_channel = asio::experimental::concurrent_channel<void(std::error_code, int)>;

}  // namespace

class event_stream::queue {
public:
    enum class fate { open, closed, left };

    explicit queue(std::size_t waiting_max) : waiting_max_{waiting_max} {}

    void push(std::shared_ptr<const manager_event> what) {
        const std::lock_guard lock{mutex_};
        if (fate_ != fate::open)
            return;
        if (waiting_.size() >= waiting_max_) {
            waiting_.pop_front();
            ++lost_;
        }
        waiting_.push_back(std::move(what));
        wake();
    }

    void end(fate how) {
        const std::lock_guard lock{mutex_};
        fate_ = std::max(fate_, how);
        wake();
    }

    /// Null if there is none now. Throws if there will be none.
    std::shared_ptr<const manager_event> take() {
        const std::lock_guard lock{mutex_};
        std::shared_ptr<const manager_event> first;
        if (!waiting_.empty()) {
            first = std::move(waiting_.front());
            waiting_.pop_front();
        } else if (fate_ == fate::closed) {
            throw error{errc::stopped, "the manager was stopped: there are no more events"};
        }
        return first;
    }

    std::optional<manager_event> try_take() {
        const std::lock_guard lock{mutex_};
        std::optional<manager_event> first;
        if (!waiting_.empty()) {
            first = *waiting_.front();
            waiting_.pop_front();
        }
        return first;
    }

    std::uint64_t lost() const {
        const std::lock_guard lock{mutex_};
        return lost_;
    }

    bool abandoned() const {
        const std::lock_guard lock{mutex_};
        return fate_ == fate::left;
    }

    /// The one who waits. Its channel lives in the waiting coroutine, and so no longer than that coroutine's io_context,
    /// whatever becomes of the stream; the mutex keeps a signal and its end apart.
    class waiter {
    public:
        waiter(queue& of, signal_channel& channel) : of_{of} {
            const std::lock_guard lock{of_.mutex_};
            if (of_.waiter_)
                throw error{errc::too_many_waiters, "another next() waits for this stream of events already"};
            of_.waiter_ = &channel;
            // What came before this is not signalled.
            if (!of_.waiting_.empty() || of_.fate_ != fate::open)
                of_.wake();
        }
        ~waiter() {
            const std::lock_guard lock{of_.mutex_};
            of_.waiter_ = nullptr;
        }
        waiter(const waiter&) = delete;

    private:
        queue& of_;
    };

    static asio::awaitable<manager_event> next(std::shared_ptr<queue> self);

private:
    void wake() {
        if (waiter_)
            waiter_->try_send(std::error_code{}, 0);
    }

    const std::size_t waiting_max_;
    mutable std::mutex mutex_;
    std::deque<std::shared_ptr<const manager_event>> waiting_;
    std::uint64_t lost_ = 0;
    fate fate_ = fate::open;
    signal_channel* waiter_ = nullptr;
};

asio::awaitable<manager_event> event_stream::queue::next(std::shared_ptr<queue> self) {
    const auto executor = co_await asio::this_coro::executor;
    signal_channel channel{executor, 1};
    const waiter waiting{*self, channel};
    for (;;) {
        // Nobody would get what a stream that was destroyed still holds, nor what a cancelled caller took.
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none || self->abandoned())
            throw std::system_error{asio::error::operation_aborted};
        if (const auto first = self->take())
            co_return *first;
        std::error_code ended;
        co_await channel.async_receive(asio::redirect_error(asio::use_awaitable, ended));
    }
}

event_stream::event_stream(std::shared_ptr<queue> of) : queue_{std::move(of)} {}

event_stream::event_stream(event_stream&&) noexcept = default;

event_stream& event_stream::operator=(event_stream&& other) noexcept {
    event_stream taken{std::move(other)};
    std::swap(queue_, taken.queue_);
    return *this;
}

event_stream::~event_stream() {
    if (queue_)
        queue_->end(queue::fate::left);
}

asio::awaitable<manager_event> event_stream::next() { return queue::next(queue_); }

std::optional<manager_event> event_stream::try_next() { return queue_->try_take(); }

std::uint64_t event_stream::lost() const noexcept { return queue_->lost(); }

event_bus::event_bus(std::size_t waiting_max) : waiting_max_{std::max<std::size_t>(waiting_max, 1)} {}

event_bus::~event_bus() { close(); }

event_stream event_bus::subscribe() {
    auto made = std::make_shared<event_stream::queue>(waiting_max_);
    const std::lock_guard lock{mutex_};
    if (closed_) {
        made->end(event_stream::queue::fate::closed);
    } else {
        forget_those_who_left();
        listeners_.push_back(made);
    }
    return event_stream{std::move(made)};
}

void event_bus::publish(manager_event what) {
    const auto shared = std::make_shared<const manager_event>(std::move(what));
    const std::lock_guard lock{mutex_};
    for (const auto& listener : listeners_)
        if (const auto open = listener.lock())
            open->push(shared);
}

void event_bus::close() {
    const std::lock_guard lock{mutex_};
    closed_ = true;
    for (const auto& listener : listeners_)
        if (const auto open = listener.lock())
            open->end(event_stream::queue::fate::closed);
    listeners_.clear();
}

bool event_bus::anybody() const {
    const std::lock_guard lock{mutex_};
    return std::any_of(listeners_.begin(), listeners_.end(), [](const auto& listener) { return !listener.expired(); });
}

void event_bus::forget_those_who_left() {
    std::erase_if(listeners_, [](const auto& listener) { return listener.expired(); });
}

}  // namespace evercert
