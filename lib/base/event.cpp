#include "base/event.hpp"

#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

namespace evercert {

asio::awaitable<void> event::wait() {
    std::error_code ended;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    // A notification and a cancellation end the timer's wait alike.
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
        throw std::system_error{asio::error::operation_aborted};
}

}  // namespace evercert
