#pragma once

#include <memory>

#include <asio/any_io_executor.hpp>

#include <evercert/network.hpp>

namespace evercert {

/// Connections that the kernel completes and holds for us while the loop is busy; it cuts the number at
/// net.core.somaxconn, whose default has been this since Linux 5.4.
inline constexpr int listen_backlog = 4096;

/// Throws `error` with `errc::listen_failed`.
std::unique_ptr<listener> tcp_listen(const asio::any_io_executor&, const endpoint& at, bool reuse_port);

}  // namespace evercert
