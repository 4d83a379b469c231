#pragma once

#include <memory>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>
#include <evercert/network.hpp>

#include "base/log.hpp"

namespace evercert {

/// Who takes what a listener accepts.
class acceptance {
public:
    /// Until there is room for one more.
    virtual asio::awaitable<void> room() = 0;
    /// A connection on a strand of its own.
    virtual void accepted(const asio::any_io_executor& strand, std::unique_ptr<stream>) = 0;

protected:
    ~acceptance() = default;
};

/// Accept, each connection on a strand of `connections`, until cancelled or the listener is closed: then it returns. What else
/// the listener fails with is logged, and tried again after a pause.
asio::awaitable<void> accept_loop(
    listener& from, acceptance& into, asio::any_io_executor connections, std::shared_ptr<clock> time, logger log);

}  // namespace evercert
