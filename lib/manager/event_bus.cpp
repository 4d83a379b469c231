#include "manager/event_bus.hpp"

#include <algorithm>
#include <deque>
#include <set>

#include <asio/execution_context.hpp>
#include <asio/experimental/concurrent_channel.hpp>
#include <asio/redirect_error.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/error.hpp>

namespace evercert {
namespace {

/// Holds one signal, so that one that comes before the wait begins is not lost.
using signal_channel = asio::experimental::concurrent_channel<void(std::error_code, int)>;

}  // namespace

/// Signals come from other threads. An io_context that is being destroyed takes none: of asio's own services neither the
/// channels' nor the scheduler's locks out those who post while it shuts down. This one is shut down before them, since it is
/// younger, and has every waiter in the context forgotten under its queue's mutex.
class event_stream::last_orders final : public asio::execution_context::service {
public:
    using key_type = last_orders;
    static inline asio::execution_context::id id;
    class list;

    explicit last_orders(asio::execution_context& context) : service{context}, list_{std::make_shared<list>()} {}

    static std::shared_ptr<list> of(const asio::any_io_executor& executor) {
        auto& context = asio::query(executor, asio::execution::context);
        if (!asio::has_service<last_orders>(context)) {
            // What a signal goes through has to be older.
            asio::make_strand(executor);
            const signal_channel channel{executor};
        }
        return asio::use_service<last_orders>(context).list_;
    }

private:
    void shutdown() noexcept override;

    const std::shared_ptr<list> list_;
};

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

    class waiter;
    static asio::awaitable<manager_event> next(std::shared_ptr<queue> self);

private:
    void wake() {
        if (channel_)
            channel_->try_send(std::error_code{}, 0);
    }

    const std::size_t waiting_max_;
    mutable std::mutex mutex_;
    std::deque<std::shared_ptr<const manager_event>> waiting_;
    std::uint64_t lost_ = 0;
    fate fate_ = fate::open;
    signal_channel* channel_ = nullptr;  ///< the waiter's, while it can be signalled
};

/// The waiters in one io_context. Locked before a queue, never after.
class event_stream::last_orders::list {
public:
    class entry {
    public:
        entry(std::shared_ptr<list> in, queue::waiter& who) : in_{std::move(in)}, who_{who} {
            const std::lock_guard lock{in_->mutex_};
            in_->waiters_.insert(&who_);
        }
        ~entry() {
            const std::lock_guard lock{in_->mutex_};
            in_->waiters_.erase(&who_);
        }
        entry(const entry&) = delete;

    private:
        const std::shared_ptr<list> in_;
        queue::waiter& who_;
    };

    void end() noexcept;

private:
    std::mutex mutex_;
    std::set<queue::waiter*> waiters_;
};

/// The one who waits. Its channel lives in the waiting coroutine, whatever becomes of the stream; the mutex keeps a signal and
/// its end apart.
class event_stream::queue::waiter {
public:
    waiter(queue& of, signal_channel& channel, std::shared_ptr<last_orders::list> context)
        : of_{of}, channel_{channel}, in_context_{std::move(context), *this} {
        const std::lock_guard lock{of_.mutex_};
        if (of_.channel_)
            throw error{errc::too_many_waiters, "another next() waits for this stream of events already"};
        of_.channel_ = &channel_;
        // What came before this is not signalled.
        if (!of_.waiting_.empty() || of_.fate_ != fate::open)
            of_.wake();
    }
    ~waiter() { out_of_reach(); }
    waiter(const waiter&) = delete;

    void out_of_reach() noexcept {
        const std::lock_guard lock{of_.mutex_};
        if (of_.channel_ == &channel_)
            of_.channel_ = nullptr;
    }

private:
    queue& of_;
    signal_channel& channel_;
    const last_orders::list::entry in_context_;
};

void event_stream::last_orders::list::end() noexcept {
    const std::lock_guard lock{mutex_};
    for (auto* const one : waiters_)
        one->out_of_reach();
    waiters_.clear();
}

void event_stream::last_orders::shutdown() noexcept { list_->end(); }

asio::awaitable<manager_event> event_stream::queue::next(std::shared_ptr<queue> self) {
    const auto executor = co_await asio::this_coro::executor;
    signal_channel channel{executor, 1};
    const waiter waiting{*self, channel, last_orders::of(executor)};
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
