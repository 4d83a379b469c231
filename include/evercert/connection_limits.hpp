#pragma once

#include <cstddef>

namespace evercert {

/// How many connections a server takes, from all clients and from one. A client is an address; of IPv6 the first 64 bits,
/// since that is what a single host has for itself to choose addresses from (RFC 4291, section 2.5.1).
struct connection_limits {
    /// Open at once, handshakes among them. Beyond it a new one is closed at once.
    std::size_t connections_max = 10'000;
    /// Of one client: behind a carrier's NAT, or a proxy that does not speak PROXY, are many. 0 = no limit.
    std::size_t connections_per_address_max = 1'000;
};

}  // namespace evercert
