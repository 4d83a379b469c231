#pragma once

#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <evercert/certificate.hpp>
#include <evercert/certificate_source.hpp>
#include <evercert/error.hpp>
#include <evercert/network.hpp>
#include <evercert/tls_context.hpp>

typedef struct ssl_st SSL;

namespace evercert {

class tls_engine;

/// Who a client is by its certificate, which was verified. The texts are the certificate's: the CA vouches for them, and no
/// further than its policy says. Escape them where they are shown.
struct client_identity {
    std::string common_name;             ///< of the subject, the last one; empty if there is none
    std::string subject;                 ///< the whole name as RFC 2253 writes it: "CN=sensor-7,O=Example"
    std::vector<std::string> dns_names;  ///< subject alternative names
    std::vector<std::string> uris;
    std::vector<std::string> emails;
    std::string serial;       ///< lower-case hexadecimal
    std::string fingerprint;  ///< SHA-256 of the certificate, lower-case hexadecimal
    wall_time not_after;
};

/// A TLS connection, client or server, on a stream: OpenSSL reads and writes the stream itself through a BIO of ours, so a
/// connection keeps no second set of buffers, and one that waits to be read keeps little beside OpenSSL's state.
///
/// Reads and writes are those of `stream`, so everything that works on an asio stream works on it:
///
///     evercert::tls_stream connection = co_await acceptor.accept();
///     std::size_t size = co_await connection.async_read_some(asio::buffer(data), asio::use_awaitable);
///     co_await asio::async_write(connection, asio::buffer(data, size), asio::use_awaitable);
///     co_await connection.async_shutdown(asio::use_awaitable);
///
/// Errors of reading: `asio::error::eof` is the peer's close_notify. An end without it is `errc::connection_closed`, since
/// an attacker may have cut the rest (RFC 8446, section 6.1). `errc::tls_failed`: a record was damaged, or the peer ended
/// with an alert; a client that asks for renegotiation (TLS 1.2) is refused with the alert no_renegotiation and goes on, or not. Each of
/// these stays. Errors of writing: what the connection below says; what the peer sent before can still be read. A write
/// that is cancelled after a part of its record has gone out ends writing, as `shutdown_write()` does: later
/// ones fail with `asio::error::broken_pipe`.
///
/// Thread-bound to `get_executor()`, but for the destructor of one that nobody waits for. May be moved and destroyed while reads and
/// writes are in progress: they end with `operation_aborted` when it is destroyed or closed.
class tls_stream final : public stream {
public:
    /// A server's, or a client's before its handshake. For a server at a port take `tls_acceptor`; these are for streams of
    /// other kinds.
    tls_stream(std::unique_ptr<stream> next, const tls_server_context&);
    /// `peer_name`: a DNS name or IP address, sent as SNI if it is a name, and verified. Throws `error` with
    /// `errc::invalid_options` if it is neither.
    tls_stream(
        std::unique_ptr<stream> next, const tls_client_context&, const std::string& peer_name,
        std::vector<std::string> alpn_protocols);
    ~tls_stream() override;
    tls_stream(tls_stream&&) noexcept;
    tls_stream& operator=(tls_stream&&) noexcept;

    /// A server's handshake has two halves, since the certificate is chosen between them:
    ///     auto hello = co_await tls.receive_client_hello();
    ///     certificate = co_await source.get_certificate(hello);
    ///     co_await tls.finish_handshake(certificate);       // or: co_await tls.refuse(error)
    /// Neither has a deadline of its own. Throws `error`: `tls_failed`, `connection_closed`.
    asio::awaitable<client_hello> receive_client_hello();
    asio::awaitable<void> finish_handshake(certificate_ptr);
    /// After `finish_handshake`: what `certificate_source::handshake_ended` should be told, nothing if the client was shown
    /// no certificate.
    std::optional<handshake_result> result() const noexcept;
    /// Send the alert that goes with the error and end the handshake. Does not throw for I/O.
    asio::awaitable<void> refuse(error why);

    /// The client's handshake. Throws `error`: `peer_untrusted` (with the reason), `tls_failed`, `connection_closed`.
    asio::awaitable<void> handshake();

    // After the handshake.

    /// What the client asked for: lower case, without a dot at its end; empty if it sent none. Of a client: the peer's name.
    const std::string& server_name() const noexcept;
    /// The protocol that was agreed on; empty if none.
    std::string alpn_protocol() const;
    /// A server's own, which the handshake was finished with; null on a client. A client that resumed its session was not
    /// shown it.
    const certificate_ptr& certificate() const noexcept;
    /// Of a client that showed a certificate, now or when the session began that it resumes. Reads the certificate each
    /// time.
    std::optional<client_identity> client() const;
    /// The session is one of before: no certificate was shown.
    bool resumed() const noexcept;
    SSL* native_handle() const noexcept;

    // Reading and writing: asio's way.

    template <typename CompletionToken>
    auto async_wait(readiness what, CompletionToken&& token) {
        return stable().async_wait(what, std::forward<CompletionToken>(token));
    }
    template <typename MutableBufferSequence, typename CompletionToken>
    auto async_read_some(const MutableBufferSequence& buffers, CompletionToken&& token) {
        return stable().async_read_some(buffers, std::forward<CompletionToken>(token));
    }
    template <typename ConstBufferSequence, typename CompletionToken>
    auto async_write_some(const ConstBufferSequence& buffers, CompletionToken&& token) {
        return stable().async_write_some(buffers, std::forward<CompletionToken>(token));
    }
    /// `void(std::error_code)`: say that nothing more comes (close_notify), read and drop what the peer still sends until it
    /// has closed too, and close. So the peer gets all that was written, which a reset would take away. No error if the
    /// peer closed with close_notify or without; `asio::error::message_size` if it sends more than `shutdown_read_max`;
    /// otherwise what reading failed with. It has no deadline of its own, and no write may be in
    /// progress. For half of it there is `shutdown_write()`.
    template <typename CompletionToken>
    auto async_shutdown(CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code)>(
            detail::transfer<detail::shutdown_try>{stable()}, token, detail::shutdown_try{});
    }
    static constexpr std::size_t shutdown_read_max = detail::shutdown_try::read_max;

    // stream
    io_result try_read(std::span<std::byte>) noexcept override;
    io_result try_write(std::span<const std::byte>) noexcept override;
    void start_wait(readiness, wait_handler::pointer) override;
    /// Sends close_notify. If that does not fit below, it goes out with the next read of this stream.
    void shutdown_write() noexcept override;
    void close() noexcept override;
    asio::any_io_executor get_executor() const override;
    endpoint local_endpoint() const override;
    /// The client's, also if a proxy handed it on.
    endpoint remote_endpoint() const override;

private:
    /// What stays where it is when this is moved.
    stream& stable() const noexcept;

    std::shared_ptr<tls_engine> engine_;
};

}  // namespace evercert
