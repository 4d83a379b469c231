#pragma once

#include <chrono>
#include <cstddef>

namespace evercert {

/// How a server takes part in TLS handshakes.
struct tls_handshake_limits {
    /// From the connection to the end of the handshake, without the time in which the certificate is awaited, which the
    /// source of certificates bounds: a manager by `manager_options::handshake_wait`.
    std::chrono::milliseconds timeout = std::chrono::seconds{10};
    /// Handshakes in progress, without those that await their certificate. While there are as many, new connections wait
    /// in the kernel's queue, and `timeout_when_full` is what a client has: those that are slow on purpose make room
    /// for the others, while those that only wait for the processor have more than they need.
    std::size_t in_progress_max = 2'000;
    std::chrono::milliseconds timeout_when_full = std::chrono::seconds{1};
    /// Handshakes that await their certificate, be it for a moment; beyond it a new one is closed. A CA's validation does not
    /// count. About 55 kB each, of which OpenSSL has 40.
    std::size_t awaiting_certificate_max = 10'000;
    /// Both kinds together, of one client as `connection_limits` has it; beyond it a new one is closed. 0 = no limit.
    std::size_t per_address_max = 500;
};

}  // namespace evercert
