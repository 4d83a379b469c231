#include <asio/error.hpp>
#include <asio/experimental/channel_error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/error.hpp>
#include <evercert/watch.hpp>

#include "base/channel.hpp"

namespace evercert {

watch_channel::watch_channel(asio::any_io_executor executor) : channel_{std::move(executor), 1} { notify(); }

asio::awaitable<void> watch_channel::receive() {
    std::error_code ended;
    co_await channel_.async_receive(asio::redirect_error(asio::use_awaitable, ended));
    if (ended == asio::experimental::error::channel_cancelled)
        throw std::system_error{asio::error::operation_aborted};
    if (ended)
        throw error{errc::stopped, "the manager was stopped: there are no more notifications"};
}

bool watch_channel::try_receive() {
    return channel_.try_receive([](std::error_code, int) {});
}

void watch_channel::notify() { send_to(channel_, 0); }

void watch_channel::close() { channel_.close(); }

}  // namespace evercert
