#pragma once

#include <memory>
#include <optional>
#include <string>

#include <evercert/certificate.hpp>
#include <evercert/certificate_source.hpp>
#include <evercert/error.hpp>
#include <evercert/network.hpp>

#include "tls/context.hpp"

typedef struct ssl_st SSL;

namespace evercert {

/// TLS on a stream: OpenSSL reads and writes the stream itself through a BIO of ours, so a connection keeps
/// no second set of buffers. Is a `stream` too: what is written for one works on both.
///
/// A server's handshake has two halves, since the certificate is chosen between them:
///     auto hello = co_await tls.receive_client_hello();
///     certificate = co_await source.get_certificate(hello);
///     co_await tls.finish_handshake(certificate);       // or: co_await tls.refuse(error)
/// Neither has a deadline of its own: see `within()`. Bound to the executor of `next`.
class tls_stream final : public stream {
public:
    tls_stream(std::unique_ptr<stream> next, const tls_server_context&);
    /// `peer_name`: a DNS name or IP address, sent as SNI if it is a name, and verified.
    tls_stream(
        std::unique_ptr<stream> next, const tls_client_context&, const std::string& peer_name,
        std::vector<std::string> alpn_protocols);
    ~tls_stream() override;

    /// Throws `error`: `tls_failed`, `connection_closed`.
    asio::awaitable<client_hello> receive_client_hello();
    asio::awaitable<void> finish_handshake(certificate_ptr);
    /// After `finish_handshake`: what `certificate_source::handshake_ended` should be told, nothing if the client was shown
    /// no certificate.
    std::optional<handshake_result> result() const noexcept;
    /// Send the alert that goes with the error and end the handshake. Does not throw for I/O.
    asio::awaitable<void> refuse(error why);

    /// The client's handshake. Throws `error`: `peer_untrusted` (with the reason), `tls_failed`, `connection_closed`.
    asio::awaitable<void> handshake();

    /// The protocol that was agreed on; empty if none.
    std::string alpn_protocol() const;
    SSL* native_handle() const noexcept;

    // stream
    io_result try_read(std::span<std::byte>) noexcept override;
    io_result try_write(std::span<const std::byte>) noexcept override;
    asio::awaitable<void> wait_readable() override;
    asio::awaitable<void> wait_writable() override;
    /// Sends close_notify. If that does not fit below, it goes out with the next read of this stream.
    void shutdown_write() noexcept override;
    void close() noexcept override;
    asio::any_io_executor get_executor() const override;
    endpoint local_endpoint() const override;
    endpoint remote_endpoint() const override;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace evercert
