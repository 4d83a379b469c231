#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <asio/ip/address.hpp>

#include <evercert/access_log.hpp>
#include <evercert/address_range.hpp>
#include <evercert/connection_limits.hpp>
#include <evercert/tls_context.hpp>
#include <evercert/tls_handshake_limits.hpp>

namespace evercert {

/// Where and how `serve()` listens. Every wait and size has its bound here, for HTTP and HTTPS alike: a client that is slow
/// or hostile holds its own connection, for as long as these say, and nothing else.
struct server_options {
    /// Each address is bound twice, for HTTP and for HTTPS. The IPv6 wildcard takes IPv4 clients too
    /// where the system allows it.
    std::vector<asio::ip::address> addresses = {asio::ip::address_v6::any()};
    std::uint16_t http_port = 80;    ///< answers http-01, and redirects; 0 = the system chooses
    std::uint16_t https_port = 443;  ///< 0 = the system chooses

    // Times. That of the TLS handshake is in `handshakes`.

    /// From the first byte of a request's head to its last: one round trip, unless it is larger than a first window.
    std::chrono::milliseconds head_timeout = std::chrono::seconds{10};
    /// While a handler waits for the body: how long nothing may come. A line that stalls for longer has gone.
    std::chrono::milliseconds body_timeout = std::chrono::seconds{30};
    /// While an answer waits to be sent: how long the client may take nothing.
    std::chrono::milliseconds write_timeout = std::chrono::seconds{60};
    /// Before a connection's first request and between two: longer than a browser's burst, shorter than what a
    /// NAT keeps.
    std::chrono::milliseconds idle_timeout = std::chrono::seconds{75};
    /// From the end of a request's head to the last byte of its answer: then the handler is cancelled, and the answer 503, if none has
    /// begun, or 408 if it waits for the body. Longer than any download or stream of events that its client would not rather begin anew; what ends a handler that
    /// hangs. Set it to what your handlers need.
    std::chrono::milliseconds request_timeout = std::chrono::hours{24};
    /// How long `stop()` waits for requests in flight before it closes their connections.
    std::chrono::milliseconds stop_grace = std::chrono::milliseconds{1500};

    // Rates, in bytes a second. Time counts while the server waits for the client and not while the handler takes its own; `rate_grace`
    // of it is free in each direction of a request. Slower than any modem, and so fast that 1 MB cannot be held for longer than 73
    // minutes. 0 = none.

    std::uint32_t body_rate_min = 240;   ///< of a body that the client sends
    std::uint32_t write_rate_min = 240;  ///< at which it takes an answer
    std::chrono::milliseconds rate_grace = std::chrono::seconds{20};

    // Sizes.

    /// Browsers send 1-2 kB, with large cookies 8: nginx takes up to 32.
    std::size_t head_max = 32 << 10;
    /// A field with its name: a cookie, or a ticket of Kerberos, is the longest that is seen.
    std::size_t field_max = 16 << 10;
    /// Browsers send 20 fields, proxies add 10.
    std::size_t fields_max = 100;
    /// What `request_body::text()` takes into memory. A handler may read more than that in pieces.
    std::size_t body_max = 1 << 20;

    // Connections.

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
    /// So that a client's state here does not live for ever.
    int keep_alive_requests_max = 10'000;

    /// Strict-Transport-Security (RFC 6797) in every answer over TLS that has none of its own: clients will speak no plain HTTP to
    /// this host for so long, whatever happens to its certificates. 0 = none. Begin with minutes, end with a year.
    std::chrono::seconds hsts_max_age = std::chrono::seconds{0};

    /// Told of each request. Unset, nothing is measured for it.
    access_callback access_log = {};
};

}  // namespace evercert
