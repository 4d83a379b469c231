#pragma once

#include <memory>

#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>
#include <evercert/http.hpp>
#include <evercert/http_client_options.hpp>
#include <evercert/network.hpp>

#include "base/log.hpp"

namespace evercert {

/// Which URLs a client takes. A client of a CA takes https alone; plain HTTP is for those who validate http-01
/// challenges (RFC 8555, section 8.3) and for neighbours on the same machine.
enum class url_schemes { https, http_and_https };

/// An HTTP client with connection reuse. Thread-bound; several requests may be in progress at once, each on a
/// connection of its own. The object must outlive them. Cancelling one closes its connection.
class http_client {
public:
    /// Throws `errc::invalid_options` for an option out of range or a `ca_file` that cannot be used. The roots are read
    /// here, or at the first https URL if the client takes plain ones too.
    http_client(
        http_client_options, std::shared_ptr<clock>, std::shared_ptr<network>, logger,
        url_schemes = url_schemes::https);
    ~http_client();
    http_client(http_client&&) noexcept;
    http_client& operator=(http_client&&) noexcept;

    /// `request.target` is an absolute URL. Redirects are not followed: the answer is the caller's.
    ///
    /// A server may close an idle connection at the moment at which it is used again. A request that dies so on a
    /// reused connection, before any byte of the answer came, is sent once more on a new one if its method is
    /// safe, or if the connection broke before all of it was written, so that the server cannot have acted on it.
    /// Any other POST ends with `connection_closed`: whether the server acted on it is unknown, and only the
    /// caller can find out (for ACME: read the order again; the nonce is spent or not, take another).
    ///
    /// Throws `error`: `resolve_failed`, `connect_failed`, `peer_untrusted`, `tls_failed`, `timed_out`,
    /// `connection_closed`, `http_malformed` (the answer, or a request that cannot be sent), `body_too_large`.
    asio::awaitable<response> send(request);

    /// Idle connections kept.
    std::size_t idle_connections() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace evercert
