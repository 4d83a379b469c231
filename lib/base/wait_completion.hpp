#pragma once

#include <system_error>

#include <evercert/network.hpp>

namespace evercert {

/// Who waits for a stream, as the handler of an operation of asio's that its slot cancels.
struct wait_completion {
    wait_handler::pointer waiting;

    using cancellation_slot_type = asio::cancellation_slot;
    cancellation_slot_type get_cancellation_slot() const noexcept { return waiting->slot(); }

    void operator()(const std::error_code& why) { wait_handler::end(std::move(waiting), why); }
};

}  // namespace evercert
