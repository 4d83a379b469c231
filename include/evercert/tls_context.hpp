#pragma once

#include <memory>
#include <string>
#include <vector>

#include <evercert/clock.hpp>
#include <evercert/ticket_keys.hpp>

typedef struct ssl_ctx_st SSL_CTX;

namespace evercert {

/// Whether a server asks its clients for certificates (mutual TLS).
enum class client_authentication {
    none,
    optional,  ///< a client without one is served; one whose certificate does not verify is not
    required
};

struct tls_server_options {
    /// In the server's order of preference (RFC 7301). Empty: none is answered. A client that offers only others is refused.
    std::vector<std::string> alpn_protocols = {};

    client_authentication client_certificates = client_authentication::none;
    /// PEM with the CAs whose clients are taken: a file, the text itself, or both. Clients verify against these alone,
    /// at the clock's time.
    std::string client_ca_file = {};
    std::string client_ca_pem = {};

    /// Clients that come back resume their session for a fraction of the cost, with tickets under these keys, bound to the
    /// server name. None: random keys of this server's own, rotated (`rotating_ticket_keys`).
    std::shared_ptr<ticket_key_source> ticket_keys = {};
    /// False: every handshake is a full one.
    bool resumption = true;

    std::shared_ptr<evercert::clock> clock = system_clock();
};

/// What all TLS connections of a server share: one SSL_CTX, since certificates belong to connections
/// (SSL_use_cert_and_key costs 1.6 µs of a 145 µs handshake; an SSL_CTX a certificate would cost 21 kB each). TLS 1.2 and
/// 1.3, with forward secrecy and AEAD alone (RFC 9325); renegotiation and compression are off. Thread-safe.
class tls_server_context {
public:
    /// Throws `error`: `invalid_options` for a protocol that cannot be one, and for client CAs that cannot be read, are
    /// missing or not asked for.
    explicit tls_server_context(tls_server_options = {});
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
