#pragma once

#include <memory>
#include <string>
#include <vector>

#include <evercert/clock.hpp>

typedef struct ssl_ctx_st SSL_CTX;

namespace evercert {

/// One SSL_CTX for every connection of a server: certificates belong to connections (SSL_use_cert_and_key
/// costs 1.6 µs of a 145 µs handshake; an SSL_CTX a certificate would cost 21 kB each). Thread-safe.
class tls_server_context {
public:
    /// `alpn_protocols` in the server's order of preference.
    explicit tls_server_context(std::vector<std::string> alpn_protocols);
    SSL_CTX* native_handle() const noexcept { return context_.get(); }

private:
    std::shared_ptr<SSL_CTX> context_;
};

/// A client that verifies its peer: chain, validity at the clock's time, and name. Thread-safe.
class tls_client_context {
public:
    /// `ca_file`: PEM roots; empty = the file that SSL_CERT_FILE names, else the system's. Throws `error`
    /// (`invalid_options`, with the file's name) if it cannot be read or has no certificate.
    tls_client_context(const std::string& ca_file, std::shared_ptr<clock> time);
    /// A client that accepts every certificate, for those who look at it themselves (RFC 8737, section 3).
    static tls_client_context unverified(std::shared_ptr<clock> time);

    SSL_CTX* native_handle() const noexcept { return context_.get(); }
    const std::shared_ptr<clock>& time() const noexcept { return clock_; }

private:
    tls_client_context(std::shared_ptr<SSL_CTX> context, std::shared_ptr<clock> time)
        : context_{std::move(context)}, clock_{std::move(time)} {}

    std::shared_ptr<SSL_CTX> context_;
    std::shared_ptr<clock> clock_;
};

}  // namespace evercert
