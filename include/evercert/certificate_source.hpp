#pragma once

#include <string>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/certificate.hpp>
#include <evercert/client_support.hpp>
#include <evercert/network.hpp>

namespace evercert {

/// What a TLS client said first (RFC 8446, section 4.1.2). Every field comes from outside.
struct client_hello {
    std::string server_name;                  ///< SNI as it came (RFC 6066); empty if there was none
    std::vector<std::string> alpn_protocols;  ///< the client's ALPN offer, in its order (RFC 7301)
    endpoint local;                           ///< the address the client connected to
    endpoint remote;
    client_support support;  ///< which certificates the client can use

    client_hello() = default;
    client_hello(std::string name, std::vector<std::string> protocols)
        : server_name{std::move(name)}, alpn_protocols{std::move(protocols)} {}

    /// True for a tls-alpn-01 validation: `acme-tls/1` is the sole offer (RFC 8737, section 3).
    bool is_challenge() const { return alpn_protocols.size() == 1 && alpn_protocols[0] == "acme-tls/1"; }
};

/// How a handshake ended that had its certificate.
enum class handshake_result {
    established,
    certificate_rejected,  ///< the client's alert says that it is because of the certificate, or we could not sign with it
    failed                 ///< in any other way, such as a client that leaves
};

/// Where a TLS server gets the certificate of a connection from. A `manager` is one; an application's
/// remote call to a manager on another machine is another.
class certificate_source {
public:
    /// The certificate for this client; never null. The handshake is suspended meanwhile. Throwing refuses the
    /// connection: `errc::name_not_allowed`, `invalid_identifier` and `no_server_name` send the alert
    /// `unrecognized_name` (RFC 6066), `no_challenge` sends `no_application_protocol` (RFC 7301), `tls_failed`
    /// `handshake_failure`, anything else `internal_error`. Called on the executor of the connection; several calls may be in progress at once, and
    /// on several threads if the io_context has them.
    virtual asio::awaitable<certificate_ptr> get_certificate(client_hello hello) = 0;

    /// The handshake with a certificate of this source ended. Called where `get_certificate` is; must neither block nor
    /// throw. Not called for a client that resumes a session, since it is shown no certificate. A client that looks at the
    /// certificate only after the handshake, such as curl at the name, has established it. A manager learns from it that
    /// clients cannot use a new certificate, and takes the one before back.
    virtual void handshake_ended(const certificate_ptr&, handshake_result) noexcept {}

protected:
    ~certificate_source() = default;
};

}  // namespace evercert
