#pragma once

#include <cstddef>
#include <memory>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/certificate_source.hpp>
#include <evercert/clock.hpp>
#include <evercert/http.hpp>
#include <evercert/network.hpp>
#include <evercert/server_options.hpp>

#include "base/log.hpp"

namespace evercert {

/// Serves HTTP on any number of listeners, with TLS or without. Thread-bound to `own`, a strand or a single-threaded
/// executor, on which listeners must be too; each connection runs on a strand of `connections`, and handlers with it.
class http_server {
public:
    /// Throws `errc::invalid_options` for an option out of range.
    http_server(
        asio::any_io_executor own, asio::any_io_executor connections, const server_options&, std::shared_ptr<clock>,
        logger);
    ~http_server();
    http_server(const http_server&) = delete;
    http_server& operator=(const http_server&) = delete;

    /// Before `run()`. Plain HTTP.
    void add(std::unique_ptr<listener>, handler);
    /// HTTPS. Challenge connections end after their handshake. The source must outlive `run()`; it is asked on
    /// the connection's strand.
    void add(std::unique_ptr<listener>, handler, certificate_source&);

    /// Accept and serve until `stop()`. Returns when every connection is closed and every handler has ended; the
    /// listeners are closed before the connections are. Cancellation stops at once, and throws
    /// `operation_aborted`.
    asio::awaitable<void> run();

    /// Accept nothing more, let requests in flight be answered for as long as `grace`, then close what is left.
    void stop(duration grace);

    /// Connections that are open.
    std::size_t connections() const noexcept;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace evercert
