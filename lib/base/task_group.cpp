#include "base/task_group.hpp"

#include <list>

#include <asio/bind_executor.hpp>
#include <asio/this_coro.hpp>

#include "base/failure.hpp"
#include "base/spawn.hpp"

namespace evercert {

struct task_group::state {
    explicit state(asio::any_io_executor executor, failure_callback failed)
        : executor{executor}, empty{executor}, failed{std::move(failed)} {}

    asio::any_io_executor executor;
    event empty;
    failure_callback failed;
    std::list<std::shared_ptr<remote_cancellation>> children;
    std::weak_ptr<const void> owner;
    bool closed = false;
};

task_group::task_group(asio::any_io_executor executor, failure_callback failed)
    : state_{std::make_shared<state>(std::move(executor), std::move(failed))} {}

task_group::~task_group() = default;

void task_group::keep_alive(std::weak_ptr<const void> owner) { state_->owner = std::move(owner); }

void task_group::spawn(asio::awaitable<void> work) { spawn(state_->executor, std::move(work)); }

void task_group::spawn(asio::any_io_executor executor, asio::awaitable<void> work) {
    spawn(std::make_shared<remote_cancellation>(std::move(executor)), std::move(work));
}

void task_group::spawn(std::shared_ptr<remote_cancellation> remote, asio::awaitable<void> work) {
    const auto child = state_->children.insert(state_->children.end(), remote);
    auto ended = [state = state_, child](std::exception_ptr thrown) {
        state->children.erase(child);
        if (thrown && state->failed && !describe(thrown).is_cancellation())
            state->failed(thrown);
        if (state->children.empty())
            state->empty.notify_all();
    };
    auto supervised = remote_cancellation::supervise(state_->owner.lock(), remote, std::move(work));
    asio::co_spawn(
        remote->executor(), std::move(supervised),
        asio::bind_cancellation_slot(remote->slot(), asio::bind_executor(state_->executor, std::move(ended))));
    if (state_->closed)
        remote_cancellation::emit(remote);
}

void task_group::close() {
    state_->closed = true;
    cancel();
}

void task_group::cancel() {
    // Emitting may complete a child at once, which takes it off the list.
    const auto children = state_->children;
    for (const auto& child : children)
        remote_cancellation::emit(child);
}

asio::awaitable<void> task_group::join() {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await wait_empty();
}

asio::awaitable<void> task_group::wait_empty() {
    const auto state = state_;
    while (!state->children.empty())
        co_await state->empty.wait();
}

std::size_t task_group::size() const noexcept { return state_->children.size(); }

}  // namespace evercert
