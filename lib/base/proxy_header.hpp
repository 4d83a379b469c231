#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include <evercert/network.hpp>

namespace evercert {

/// What a proxy says about the connection that it hands on: the PROXY protocol, versions 1 and 2
/// (haproxy.org/download/3.0/doc/proxy-protocol.txt).
struct proxy_header {
    enum class state { incomplete, complete, malformed };
    state parsed = state::incomplete;
    std::size_t size = 0;  ///< of a complete one
    /// Without them the connection is the proxy's own (LOCAL), or of a family that TCP over IP is not (UNKNOWN, UNSPEC).
    struct addresses {
        endpoint source;
        endpoint destination;
    };
    std::optional<addresses> of = {};
};

/// Version 1 ends within this many bytes (section 2.1).
inline constexpr std::size_t proxy_v1_max = 107;
/// Version 2 may have 64 kB of extensions, which nobody sends: addresses, a TLS description and an AWS or Azure id take a
/// few hundred bytes.
inline constexpr std::size_t proxy_v2_max = 4096;

/// The header at the front of what came so far. Incomplete only for what may become a header, and never beyond the maxima.
proxy_header parse_proxy_header(std::span<const unsigned char> input);

}  // namespace evercert
