#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include <evercert/certificate_source.hpp>
#include <evercert/network.hpp>
#include <evercert/tls_acceptor_options.hpp>
#include <evercert/tls_stream.hpp>

namespace evercert {

class acceptor_core;

/// Accepts TLS connections for any protocol, with the certificates of a source: a manager is one.
///
///     evercert::tls_acceptor acceptor{io, manager};
///     acceptor.listen({asio::ip::address_v6::any(), 8883});
///     for (;;) {
///         auto connection = co_await acceptor.accept();
///         auto executor = connection.get_executor();
///         asio::co_spawn(executor, session(std::move(connection)), evercert::rethrow);
///     }
///
/// Handshakes run beside `accept()`, each on a strand of its own, which is the executor of its connection: with several
/// threads in the io_context they run in parallel. What fails in a handshake is logged and nobody else's matter. A CA's validation
/// by tls-alpn-01 (RFC 8737) is answered and never seen. One source may have several acceptors.
///
/// All members are thread-safe. The source must outlive the acceptor's handshakes: await `close()` before it is
/// destroyed, or let the io_context run out after `stop()` or the destructor, which stops.
class tls_acceptor {
public:
    /// Handshakes and connections run on strands of `executor`. Throws `error` with `errc::invalid_options` if an option is
    /// out of range, and what `tls_server_context` throws.
    tls_acceptor(asio::any_io_executor executor, certificate_source&, tls_acceptor_options = {});
    tls_acceptor(asio::io_context&, certificate_source&, tls_acceptor_options = {});
    ~tls_acceptor();
    tls_acceptor(tls_acceptor&&) noexcept;
    tls_acceptor& operator=(tls_acceptor&&) = delete;

    /// Listen here too, and return the address with the port that the system chose if it was 0. Throws `error` with
    /// `errc::listen_failed`, which says what to do about it.
    endpoint listen(endpoint at);
    /// The same with a socket that listens already, of the application's or of `inherited_sockets()`: see `listen_on_socket`.
    endpoint listen(int native_socket);

    /// The next established connection, in the order in which handshakes end; on the caller's executor, and bound to its
    /// own. Throws `error` with `errc::stopped` after `stop()`, `operation_aborted` if it is cancelled: then no connection
    /// is lost. Several may wait.
    asio::awaitable<tls_stream> accept();

    /// Listeners and handshakes end, and `accept()` throws. Connections that were accepted go on.
    void stop() noexcept;
    /// `stop()`, and wait until every handshake has ended and nothing uses the source any more. Not cancellable.
    asio::awaitable<void> close();

    /// The context that all its connections share, for what no option says: before the first connection. evercert owns its
    /// ClientHello, ALPN, ticket and certificate verification callbacks.
    SSL_CTX* native_handle() const noexcept;

    /// Where it listens.
    std::vector<endpoint> local_endpoints() const;
    /// In progress, with those that await their certificate.
    std::size_t handshakes() const noexcept;
    /// Open, with the handshakes, those that nobody accepted so far and those that the application has.
    std::size_t connections() const noexcept;

private:
    std::shared_ptr<acceptor_core> core_;
};

}  // namespace evercert
