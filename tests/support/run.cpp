#include "run.hpp"

#include <string>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

namespace test {

asio::awaitable<void> run_into(std::shared_ptr<result<void>> into, asio::awaitable<void> work) {
    try {
        co_await std::move(work);
        into->returned = true;
    } catch (...) {
        into->thrown = std::current_exception();
    }
}

void run_to_end(
    asio::io_context& io, asio::awaitable<void> work, const ending& outcome, std::chrono::milliseconds limit) {
    asio::co_spawn(io, std::move(work), [&io](std::exception_ptr) { io.stop(); });
    io.restart();
    io.run_for(limit);
    if (!outcome.ended())
        throw std::runtime_error{"the coroutine did not end in " + std::to_string(limit.count()) + " ms"};
}

/// What a coroutine has while it runs. Its completion handler owns it, so that it goes with the io_context at the latest.
struct started_work::running {
    explicit running(const asio::any_io_executor& executor) : ended{executor, asio::steady_timer::time_point::max()} {}
    asio::cancellation_signal signal = {};
    asio::steady_timer ended;
};

started_work::started_work(asio::any_io_executor executor, std::shared_ptr<ending> outcome, asio::awaitable<void> work)
    : ending_{std::move(outcome)} {
    const auto owned = std::make_shared<running>(executor);
    running_ = owned;
    asio::co_spawn(
        executor, std::move(work),
        asio::bind_cancellation_slot(owned->signal.slot(), [owned, outcome = ending_](std::exception_ptr thrown) {
            if (thrown && !outcome->ended())
                outcome->thrown = thrown;  // cancelled before it began
            owned->ended.cancel();
        }));
}

started_work::~started_work() {
    if (ending_ && !ended())
        cancel();
}

void started_work::cancel(asio::cancellation_type type) {
    // Kept meanwhile: what this completes may destroy it.
    if (const auto it = running_.lock())
        it->signal.emit(type);
}

asio::awaitable<void> started_work::wait_for_end(running& it, const ending& outcome) {
    while (!outcome.ended()) {
        asio::error_code woken;
        co_await it.ended.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            throw std::system_error{asio::error::operation_aborted};
    }
}

asio::awaitable<void> yield(int times) {
    auto executor = co_await asio::this_coro::executor;
    for (int i = 0; i < times; ++i)
        co_await asio::post(executor, asio::use_awaitable);
}

}  // namespace test
