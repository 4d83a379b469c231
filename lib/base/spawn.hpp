#pragma once

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/use_awaitable.hpp>

#include "base/outcome.hpp"

namespace evercert {

/// Run `work` on another executor and resume here with what it returned or threw. Cancellation of the caller
/// (terminal) reaches the work.
template <typename Executor, typename T>
asio::awaitable<T> run_on(Executor executor, asio::awaitable<T> work) {
    // As an outcome: co_spawn asks for results that can be default-constructed.
    auto result = co_await asio::co_spawn(executor, as_outcome(std::move(work)), asio::use_awaitable);
    co_return result.get();
}

}  // namespace evercert
