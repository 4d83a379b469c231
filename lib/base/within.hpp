#pragma once

#include <exception>
#include <optional>
#include <string>
#include <type_traits>

#include <asio/awaitable.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/this_coro.hpp>

#include <evercert/clock.hpp>
#include <evercert/error.hpp>

#include "base/outcome.hpp"

namespace evercert {

[[noreturn]] void throw_timed_out(const std::string& what, duration limit);

/// Await `work`, but no longer than `limit`: then it is cancelled and `errc::timed_out` is thrown with `what` in
/// its text ("connecting to ca.test took longer than 10 s"). Returns only after `work` has ended. Costs about 6
/// µs.
template <typename T>
asio::awaitable<T> within(clock& time, duration limit, std::string what, asio::awaitable<T> work) {
    using namespace asio::experimental::awaitable_operators;
    auto ended = co_await (as_outcome<T>(std::move(work)) || time.sleep_for(limit));
    if (ended.index() == 0) {
        if constexpr (std::is_void_v<T>) {
            std::get<0>(ended).get();
            co_return;
        } else {
            co_return std::get<0>(ended).get();
        }
    }
    throw_timed_out(what, limit);
}

}  // namespace evercert
