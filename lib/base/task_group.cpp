#include "base/task_group.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/this_coro.hpp>

namespace evercert {

struct task_group::state {
    explicit state(asio::any_io_executor executor, failure_callback failed)
        : executor{executor}, empty{executor}, failed{std::move(failed)} {}

    asio::any_io_executor executor;
    event empty;
    failure_callback failed;
    std::list<asio::cancellation_signal> children;
};

namespace {

bool is_cancellation(std::exception_ptr thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::system_error& e) {
        return e.code() == asio::error::operation_aborted;
    } catch (...) {
        return false;
    }
}

}  // namespace

task_group::task_group(asio::any_io_executor executor, failure_callback failed)
    : state_{std::make_shared<state>(std::move(executor), std::move(failed))} {}

task_group::~task_group() = default;

void task_group::spawn(asio::awaitable<void> work) { spawn(state_->executor, std::move(work)); }

void task_group::spawn(asio::any_io_executor executor, asio::awaitable<void> work) {
    const auto child = state_->children.emplace(state_->children.end());
    auto ended = [state = state_, child](std::exception_ptr thrown) {
        state->children.erase(child);
        if (thrown && state->failed && !is_cancellation(thrown))
            state->failed(thrown);
        if (state->children.empty())
            state->empty.notify_all();
    };
    asio::co_spawn(
        executor, std::move(work),
        asio::bind_cancellation_slot(child->slot(), asio::bind_executor(state_->executor, std::move(ended))));
}

void task_group::cancel() {
    // Emitting may complete a child at once, which erases it.
    for (auto child = state_->children.begin(); child != state_->children.end();)
        (child++)->emit(asio::cancellation_type::terminal);
}

asio::awaitable<void> task_group::join() {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const auto state = state_;
    while (!state->children.empty())
        co_await state->empty.wait();
}

std::size_t task_group::size() const noexcept { return state_->children.size(); }

}  // namespace evercert
