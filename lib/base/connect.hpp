#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>
#include <evercert/network.hpp>

namespace evercert {

/// A connection to a host, at the first of its addresses that accepts one; they are tried in order, each no
/// longer than `connect_timeout`. Throws `errc::resolve_failed`, `errc::timed_out` if the name takes longer than
/// `resolve_timeout`, and `errc::connect_failed` with what was tried. `net` and `time` must outlive it.
asio::awaitable<std::unique_ptr<stream>> connect_any(
    network& net, clock& time, std::string host, std::uint16_t port, duration resolve_timeout,
    duration connect_timeout);

}  // namespace evercert
