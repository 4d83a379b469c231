#pragma once

#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <openssl/ssl.h>

#include <evercert/certificate.hpp>
#include <evercert/certificate_source.hpp>
#include <evercert/ssl_handshake.hpp>

#include "crypto/openssl.hpp"

namespace evercert {

using ssl_ptr = std::unique_ptr<SSL, openssl_free<SSL_free>>;

/// True after `prepare_server_context`.
bool is_prepared(const SSL_CTX*) noexcept;

/// Sessions of this context are resumed only with one that has the same scope.
void bind_sessions_to(SSL_CTX*, bytes_view scope);

/// The alert for a client that is refused for this reason.
int alert_for(const std::error_code&) noexcept;

/// A server handshake that is suspended inside OpenSSL until its certificate is there: OpenSSL's ClientHello callback
/// finds it by its SSL. Attached as long as it lives, and keeps the SSL alive.
class server_handshake {
public:
    /// `addresses`: a ClientHello with the two endpoints filled in. An application's context may have a callback for certificates of
    /// its own.
    enum class context_of { evercert, application };
    server_handshake(SSL*, client_hello addresses, context_of);
    ~server_handshake();
    server_handshake(const server_handshake&) = delete;
    server_handshake& operator=(const server_handshake&) = delete;

    /// A ClientHello was read and waits for `resume` or `refuse`. A handshake that goes on without either
    /// is suspended again.
    bool suspended() const noexcept { return state_ == state::suspended; }
    /// No ClientHello was seen so far.
    bool receiving() const noexcept { return state_ == state::receiving; }
    const client_hello& hello() const noexcept { return hello_; }

    /// The next step of the handshake goes on with this certificate, or ends with this alert.
    void resume(certificate_ptr);
    void refuse(int alert) noexcept;

    /// After the end: how it went with the certificate of `resume`; nothing if the client was shown none, since there was
    /// no `resume` or it resumed a session. `error` is the first that OpenSSL queued, 0 if it ended in another way.
    std::optional<handshake_result> result(bool established, unsigned long error) const noexcept;

    /// Of an SSL; null if it has none.
    static server_handshake* of(const SSL*) noexcept;
    /// The callback: SSL_CLIENT_HELLO_SUCCESS, _RETRY or _ERROR with an alert.
    int on_client_hello(int& alert);

    /// The callback of a context of ours for a certificate, of which there is none if the client resumes a session.
    bool on_certificate();

private:
    int is_the_same(int& alert) const;
    enum class state { receiving, suspended, resumed, chosen, refused };

    ssl_ptr ssl_;
    client_hello hello_;
    certificate_ptr certificate_;
    state state_ = state::receiving;
    const bool may_wait_;  ///< the certificate, until OpenSSL asks for it
    bool unusable_ = false;
    int alert_ = 0;
};

}  // namespace evercert
