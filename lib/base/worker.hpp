#pragma once

#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/thread_pool.hpp>

#include "base/spawn.hpp"

namespace evercert {

/// Where work that blocks goes (fsync, RSA keys), so that no loop ever waits for it: one thread, started at first
/// use, or an executor of the application's. Thread-safe.
class worker {
public:
    /// An empty executor means a thread of our own.
    explicit worker(asio::any_io_executor given = {}) : executor_{std::move(given)} {}

    /// Wait for what runs on our own thread and end it; from now on work runs where it is asked for. Its owner calls this while
    /// the io_context of those who wait is still there: what they resume on must not be gone.
    void close();

    /// Wait for what runs on our own thread and end it; the next work starts another.
    void drain();

    /// Run `work()` there and return what it returned or threw. Once it runs it is not interrupted: a
    /// cancelled caller returns when it has ended.
    template <typename Work>
    asio::awaitable<std::invoke_result_t<Work&>> run(Work work) {
        auto called = call(std::move(work));
        const auto there = executor();
        return there ? run_to_end_on(there, std::move(called)) : std::move(called);
    }

private:
    template <typename Work>
    static asio::awaitable<std::invoke_result_t<Work&>> call(Work work) {
        co_return work();
    }

    /// Empty after `close()`.
    asio::any_io_executor executor();

    std::mutex mutex_;
    asio::any_io_executor executor_;
    std::unique_ptr<asio::thread_pool> own_;
    bool closed_ = false;
};

}  // namespace evercert
