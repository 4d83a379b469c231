#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <asio/ip/address.hpp>

#include <evercert/address_range.hpp>
#include <evercert/connection_limits.hpp>
#include <evercert/tls_context.hpp>
#include <evercert/tls_handshake_limits.hpp>

namespace evercert {

/// Where and how `serve()` listens. Every wait and size has its bound here.
struct server_options {
    /// Each address is bound twice, for HTTP and for HTTPS. The IPv6 wildcard takes IPv4 clients too
    /// where the system allows it.
    std::vector<asio::ip::address> addresses = {asio::ip::address_v6::any()};
    std::uint16_t http_port = 80;    ///< redirects, and answers http-01; 0 = the system chooses
    std::uint16_t https_port = 443;  ///< 0 = the system chooses

    /// From the first byte of a request's head to its last.
    std::chrono::milliseconds head_timeout = std::chrono::seconds{10};
    /// From the end of the head to the end of the body.
    std::chrono::milliseconds body_timeout = std::chrono::seconds{60};
    /// From the first byte of a response to its last.
    std::chrono::milliseconds write_timeout = std::chrono::seconds{60};
    /// Before a connection's first request and between two: longer than a browser's burst, shorter than what a
    /// NAT keeps.
    std::chrono::milliseconds idle_timeout = std::chrono::seconds{75};
    /// How long `stop()` waits for requests in flight before it closes their connections.
    std::chrono::milliseconds stop_grace = std::chrono::milliseconds{1500};

    /// Browsers send 1-2 kB, with large cookies 8: nginx takes up to 32.
    std::size_t head_max = 32 << 10;
    std::size_t body_max = 1 << 20;
    /// Connections on all listeners, in all and of one client. `connections_per_address_max` may want a higher value, or 0,
    /// behind a proxy that hides whose connections it hands on.
    connection_limits connections = {};
    /// TLS handshakes.
    tls_handshake_limits handshakes = {};
    /// Connections from these addresses begin with a PROXY header, version 1 or 2, that says whose they are; all others
    /// are what they are. Whoever is named here can claim any address.
    std::vector<address_range> trusted_proxies = {};
    /// Certificates of clients, session tickets. The ALPN protocols and the clock are the server's own.
    tls_server_options tls = {};
    int keep_alive_requests_max = 10'000;
};

}  // namespace evercert
