#pragma once

#include <exception>
#include <functional>
#include <memory>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "base/event.hpp"

namespace evercert {

class remote_cancellation;

/// Coroutines with one owner, who cancels and joins them: nothing that evercert starts outlives what started it.
/// The only place of the library that spawns.
///
/// Thread-bound to its executor (a strand); the children may run on executors of their own. What a child throws goes to
/// `failed`, except cancellation.
class task_group {
public:
    using failure_callback = std::function<void(std::exception_ptr)>;

    explicit task_group(asio::any_io_executor executor, failure_callback failed = {});
    ~task_group();

    /// Every child started from now on keeps this alive: what its coroutine refers to is there for as long as it is,
    /// also when the io_context is destroyed with the child inside.
    void keep_alive(std::weak_ptr<const void> owner);

    /// Start a child on the group's executor, or on another, which must be serial: a strand, or of one thread.
    void spawn(asio::awaitable<void>);
    void spawn(asio::any_io_executor, asio::awaitable<void>);
    /// The same on the executor of `child`, by which the child can be interrupted alone.
    void spawn(std::shared_ptr<remote_cancellation> child, asio::awaitable<void>);

    /// Ask every child to end. New children may be spawned afterwards.
    void cancel();
    /// The same for good: children that are spawned later are cancelled as they begin.
    void close();
    /// Returns when no child is left. Not cancellable: whoever joins has asked them to end, or wants to wait.
    asio::awaitable<void> join();
    /// Returns when no child is left, and can be cancelled: for those who wait before they ask.
    asio::awaitable<void> wait_empty();

    std::size_t size() const noexcept;

private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace evercert
