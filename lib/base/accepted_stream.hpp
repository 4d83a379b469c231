#pragma once

#include <memory>
#include <string>

#include <evercert/network.hpp>

#include "base/connection_counter.hpp"
#include "base/proxy_header.hpp"

namespace evercert {

/// A header of the PROXY protocol, and what came after it.
struct received_proxy_header {
    proxy_header header;
    std::string input;
};
/// Throws `error`: `connection_closed`, or `tls_failed` for something else than a header.
asio::awaitable<received_proxy_header> read_proxy_header(stream& from);

/// A connection that is counted for as long as it is open, and may have come through a proxy.
class accepted_stream final : public stream {
public:
    explicit accepted_stream(std::unique_ptr<stream> next) : next_{std::move(next)} {}

    void count(connection_counter::permit counted) noexcept { counted_ = std::move(counted); }
    void came_through(received_proxy_header);
    void handshake_done() noexcept { counted_.handshake_done(); }

    io_result try_read(std::span<std::byte>) noexcept override;
    io_result try_write(std::span<const std::byte> data) noexcept override { return next_->try_write(data); }
    void start_wait(readiness, wait_handler::pointer) override;
    void shutdown_write() noexcept override { next_->shutdown_write(); }
    void close() noexcept override;
    asio::any_io_executor get_executor() const override { return next_->get_executor(); }
    endpoint local_endpoint() const override;
    endpoint remote_endpoint() const override;

private:
    std::unique_ptr<stream> next_;
    connection_counter::permit counted_;
    std::unique_ptr<received_proxy_header> proxied_;
};

}  // namespace evercert
