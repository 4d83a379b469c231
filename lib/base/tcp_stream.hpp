#pragma once

#include <optional>

#include <asio/ip/tcp.hpp>

#include <evercert/network.hpp>

#include "base/socket.hpp"

namespace evercert {

/// A connected TCP socket.
class tcp_stream final : public stream {
public:
    tcp_stream(asio::ip::tcp::socket connected, endpoint remote);

    io_result try_read(std::span<std::byte>) noexcept override;
    io_result try_write(std::span<const std::byte>) noexcept override;
    void start_wait(readiness, wait_handler::pointer) override;
    void shutdown_write() noexcept override;
    void close() noexcept override;
    asio::any_io_executor get_executor() const override { return socket_.get_executor(); }
    endpoint local_endpoint() const override;
    endpoint remote_endpoint() const override { return remote_; }

private:
    mutable asio::ip::tcp::socket socket_;   // asio's get_executor() is not const
    int handle_;                             // -1 once closed
    mutable std::optional<endpoint> local_;  // once somebody asked: it is a system call
    endpoint remote_;
};

/// Throws `error` with `errc::connect_failed`.
asio::awaitable<std::unique_ptr<stream>> tcp_connect(endpoint to);

}  // namespace evercert
