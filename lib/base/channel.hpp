#pragma once

#include <system_error>
#include <utility>

namespace evercert {

/// `channel.try_send(args...)` that also works after a wait that was cancelled: Asio 1.22 leaves a channel with a buffer then as
/// if it were full, until somebody waits again. A wait of our own, that ends at once, brings it back. Who waits for the
/// channel besides may be given an empty value.
template <typename Channel, typename Value>
bool send_to(Channel& channel, Value value) {
    if (channel.try_send(std::error_code{}, std::move(value)))
        return true;
    // Full, or closed.
    if (channel.ready())
        return false;
    channel.async_receive([](std::error_code, Value) {});
    channel.try_send(std::error_code{}, Value{});
    return channel.try_send(std::error_code{}, std::move(value));
}

}  // namespace evercert
