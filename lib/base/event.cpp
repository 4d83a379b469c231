#include "base/event.hpp"

#include <system_error>

#include <asio/error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

namespace evercert {

asio::awaitable<void> event::wait() {
    co_await waiters_.async_receive(asio::use_awaitable);
    // A notification and a cancellation end the wait alike.
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
        throw std::system_error{asio::error::operation_aborted};
}

}  // namespace evercert
