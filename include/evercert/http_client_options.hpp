#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace evercert {

/// How evercert's HTTPS client reaches a CA. Every wait and size has its bound here.
struct http_client_options {
    /// PEM file of trusted roots. Empty: the file that the environment variable SSL_CERT_FILE names, else
    /// the system's roots.
    std::string ca_file = {};
    /// Goes before "evercert/VERSION" in User-Agent (RFC 8555, section 6.1 asks for one that names the software).
    std::string user_agent = {};

    std::chrono::milliseconds resolve_timeout = std::chrono::seconds{10};
    /// For each address of the host.
    std::chrono::milliseconds connect_timeout = std::chrono::seconds{10};
    std::chrono::milliseconds handshake_timeout = std::chrono::seconds{10};
    /// From the first byte of the request to the last of the answer. CAs take their time to sign.
    std::chrono::milliseconds response_timeout = std::chrono::seconds{60};

    /// Let's Encrypt's chains have 4-8 kB; 100 names with a long chain stay below 64 kB.
    std::size_t body_max = 1 << 20;
    /// Idle connections kept for reuse, to all hosts, and for how long. As many as orders are in progress at once: with
    /// fewer a tenth of the CPU of an order goes into handshakes with the CA.
    std::size_t idle_connections_max = 32;
    std::chrono::milliseconds idle_timeout = std::chrono::seconds{60};
};

}  // namespace evercert
