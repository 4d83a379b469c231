#pragma once

#include <memory>
#include <string>

#include <asio/awaitable.hpp>

#include <evercert/certificate_source.hpp>
#include <evercert/clock.hpp>
#include <evercert/network.hpp>

#include "tls/context.hpp"

namespace evercert {

/// A connection after its TLS handshake.
struct accepted_tls {
    std::unique_ptr<stream> connection;
    std::string server_name;    ///< lower case, without a trailing dot; empty if the client sent none
    bool is_challenge = false;  ///< a tls-alpn-01 validation, which ends here (RFC 8737, section 3)
};

/// The server's side of a handshake. `timeout` bounds it without the time in which the certificate is awaited.
/// Throws what the source threw, after the client was told by an alert; otherwise `error`: `tls_failed`,
/// `connection_closed`, `timed_out`.
asio::awaitable<accepted_tls> accept_tls(
    std::unique_ptr<stream> next, const tls_server_context&, certificate_source&, std::shared_ptr<clock>,
    duration timeout);

}  // namespace evercert
