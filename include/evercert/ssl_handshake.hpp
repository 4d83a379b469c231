#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <evercert/certificate.hpp>
#include <evercert/certificate_source.hpp>

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace evercert {

/// The certificate that memory has for a client of a server that cannot wait. Throwing refuses the client with
/// the alert that `certificate_source` says, null with `internal_error`. Called on the thread of the handshake,
/// on several at once if the server has several; it must neither wait nor use the SSL.
using context_lookup = std::function<certificate_ptr(const client_hello&)>;

/// How a handshake ended with a certificate of the lookup, as `certificate_source::handshake_ended` has it; a client that
/// just leaves is not reported. Called where the lookup is; must neither block, throw nor use the SSL. Uses OpenSSL's
/// info callback of the connection; where the application has set one, on the context or the SSL, nothing is reported.
using context_report = std::function<void(const certificate_ptr&, handshake_result)>;

/// Give `context` evercert's ClientHello and ALPN callbacks, which replace those the application had set. For
/// servers whose certificates do not come from a manager: its `install()` does this too. A handshake that has an
/// `ssl_handshake` waits for its certificate, any other gets it from `lookup`, and is refused without one.
/// `alpn_protocols` in the server's order of preference; empty: none is answered. Call it before the first
/// connection. Throws `error` with `errc::invalid_options`.
void prepare_server_context(
    SSL_CTX* context, std::vector<std::string> alpn_protocols = {}, context_lookup lookup = {},
    context_report report = {});

/// The server's side of one TLS handshake that waits for its certificate inside OpenSSL. The application does the
/// I/O and calls SSL_do_handshake (or SSL_accept, or asio's async_handshake) as ever; when that fails with
/// SSL_ERROR_WANT_CLIENT_HELLO_CB it looks here:
///
///     evercert::ssl_handshake state{ssl, local, remote};
///     for (;;) {
///         … SSL_do_handshake(ssl) until it is done, fails, or state.suspended()
///         auto certificate = co_await source.get_certificate(state.hello());
///         state.resume(certificate);              // or state.refuse(why), which lets the handshake fail
///     }
///
/// Attached to the SSL from its construction to its destruction, and keeps the SSL alive as long. Thread-bound to
/// the handshake. `<evercert/asio_ssl.hpp>` does all of this for asio::ssl::stream.
class ssl_handshake {
public:
    /// Before the handshake begins. The addresses go into `hello()`. Throws `error` with
    /// `errc::context_not_installed` if the context of `ssl` was neither given to `manager::install()` nor to
    /// `prepare_server_context()`.
    ssl_handshake(SSL* ssl, endpoint local, endpoint remote);
    ~ssl_handshake();
    ssl_handshake(ssl_handshake&&) noexcept;
    ssl_handshake& operator=(ssl_handshake&&) noexcept;

    /// A ClientHello came and waits for `resume()` or `refuse()`.
    bool suspended() const noexcept;
    /// What the client said; with an empty name and no protocols until then.
    const client_hello& hello() const noexcept;

    /// The next SSL_do_handshake goes on with this certificate. Throws `error` with `errc::invalid_certificate`
    /// if it is null.
    void resume(certificate_ptr);
    /// The next SSL_do_handshake sends the alert for this error (see `certificate_source`) and fails.
    void refuse(const std::error_code& why) noexcept;

    /// After the handshake ended: what `certificate_source::handshake_ended` should be told, nothing if the client was
    /// shown no certificate. `failed` and `of_tls` as below; the value of an error of TLS is OpenSSL's
    /// (ERR_get_error()), as asio has it.
    std::optional<handshake_result> result(const std::error_code& failed, bool of_tls) const noexcept;

    /// After the handshake ended: returns if it went well, throws `error` otherwise. `failed` is what ended it,
    /// `of_tls` whether that is a TLS error (`errc::tls_failed`) or the connection's (`errc::connection_closed`;
    /// `operation_aborted` is thrown as it is). A handshake that asked for no certificate is an error too, since
    /// another ClientHello callback replaced evercert's: `errc::context_not_installed`.
    void check_ended(const std::error_code& failed, bool of_tls) const;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace evercert
