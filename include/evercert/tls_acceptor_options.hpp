#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <evercert/address_range.hpp>
#include <evercert/clock.hpp>
#include <evercert/connection_limits.hpp>
#include <evercert/log.hpp>
#include <evercert/network.hpp>
#include <evercert/tls_context.hpp>
#include <evercert/tls_handshake_limits.hpp>

namespace evercert {

/// What a `tls_acceptor` is told once, when it is made.
struct tls_acceptor_options {
    /// Its clock is the one below.
    tls_server_options tls = {};
    connection_limits connections = {};
    tls_handshake_limits handshakes = {};
    /// Established connections that `accept()` has not taken yet; beyond it no more handshakes begin.
    std::size_t established_max = 128;

    /// Connections from these addresses begin with a PROXY header, version 1 or 2, that says whose they are; all others
    /// are what they are. Name the proxies here and nobody else: whoever is named can claim any address.
    std::vector<address_range> trusted_proxies = {};

    log_options log = {};
    std::shared_ptr<evercert::clock> clock = system_clock();
    /// Where it listens: `system_network({.reuse_port = true})` for SO_REUSEPORT.
    std::shared_ptr<evercert::network> network = system_network();
};

}  // namespace evercert
