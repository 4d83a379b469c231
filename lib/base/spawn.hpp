#pragma once

#include <memory>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/dispatch.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "base/outcome.hpp"

namespace evercert {

/// Cancels a coroutine that runs on another executor, which must be serial. asio 1.22 would emit the signal on the thread of
/// whoever cancels, beside the coroutine; and a signal that comes late would reach objects that are gone.
class remote_cancellation {
public:
    explicit remote_cancellation(asio::any_io_executor executor) : executor_{std::move(executor)} {}

    asio::cancellation_slot slot() noexcept { return signal_.slot(); }
    const asio::any_io_executor& executor() const noexcept { return executor_; }

    static void emit(std::shared_ptr<remote_cancellation> self) {
        const auto executor = self->executor_;
        asio::dispatch(executor, [self = std::move(self)] {
            self->asked_ = true;
            self->interrupt();
        });
    }

    /// The coroutine's own way to end what it awaits, and go on after it has reset its cancellation state. On its executor.
    void interrupt() {
        if (!ended_)
            signal_.emit(asio::cancellation_type::terminal);
    }
    /// Somebody else wants it to end. On its executor.
    bool asked() const noexcept { return asked_; }

    /// The coroutine's work, after whose end nothing is emitted any more. A frame destroys what it awaits before its parameters, and
    /// those from the last to the first: what the work refers to may be `owner`'s.
    template <typename T>
    static asio::awaitable<T> supervise(
        [[maybe_unused]] std::shared_ptr<const void> owner, std::shared_ptr<remote_cancellation> self,
        asio::awaitable<T> work) {
        const end_mark mark{std::move(self)};
        co_return co_await std::move(work);
    }

private:
    class end_mark {
    public:
        explicit end_mark(std::shared_ptr<remote_cancellation> of) : of_{std::move(of)} {}
        ~end_mark() { of_->ended_ = true; }
        end_mark(const end_mark&) = delete;

    private:
        std::shared_ptr<remote_cancellation> of_;
    };

    asio::any_io_executor executor_;
    asio::cancellation_signal signal_;
    // Touched on `executor_` alone.
    bool ended_ = false;
    bool asked_ = false;
};

/// Run `work` on another executor, a serial one, and resume here with what it returned or threw. Cancellation of the caller
/// (terminal) reaches the work.
template <typename T>
asio::awaitable<T> run_on(asio::any_io_executor executor, asio::awaitable<T> work) {
    const auto remote = std::make_shared<remote_cancellation>(executor);
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    auto slot = state.slot();
    if (slot.is_connected())
        slot.assign([remote](asio::cancellation_type) { remote_cancellation::emit(remote); });
    auto supervised = remote_cancellation::supervise(nullptr, remote, as_outcome(std::move(work)));
    // As an outcome: co_spawn asks for results that can be default-constructed.
    auto result = co_await asio::co_spawn(
        executor, std::move(supervised), asio::bind_cancellation_slot(remote->slot(), asio::use_awaitable));
    if (slot.is_connected())
        slot.clear();
    co_return result.get();
}

/// The same without cancellation: the caller waits for the work's end, whatever happens. The executor may have several threads.
template <typename T>
asio::awaitable<T> run_to_end_on(asio::any_io_executor executor, asio::awaitable<T> work) {
    auto result = co_await asio::co_spawn(
        executor, as_outcome(std::move(work)),
        asio::bind_cancellation_slot(asio::cancellation_slot{}, asio::use_awaitable));
    co_return result.get();
}

}  // namespace evercert
