#include <asio/error.hpp>

#include <evercert/error.hpp>
#include <evercert/ssl_handshake.hpp>

#include "tls/server_handshake.hpp"

namespace evercert {

namespace {

client_hello addressed(endpoint local, endpoint remote) {
    client_hello hello;
    hello.local = std::move(local);
    hello.remote = std::move(remote);
    return hello;
}

}  // namespace

struct ssl_handshake::impl {
    impl(SSL* ssl, client_hello addresses)
        : attached{ssl, std::move(addresses), server_handshake::context_of::application} {}
    server_handshake attached;
};

ssl_handshake::ssl_handshake(SSL* ssl, endpoint local, endpoint remote) {
    if (!is_prepared(SSL_get_SSL_CTX(ssl)))
        throw error{
            errc::context_not_installed,
            "the stream's context has no certificates from evercert: call install() with it before "
            "the stream is made"};
    impl_ = std::make_unique<impl>(ssl, addressed(std::move(local), std::move(remote)));
}

ssl_handshake::~ssl_handshake() = default;
ssl_handshake::ssl_handshake(ssl_handshake&&) noexcept = default;
ssl_handshake& ssl_handshake::operator=(ssl_handshake&&) noexcept = default;

bool ssl_handshake::suspended() const noexcept { return impl_->attached.suspended(); }

const client_hello& ssl_handshake::hello() const noexcept { return impl_->attached.hello(); }

void ssl_handshake::resume(certificate_ptr chosen) {
    if (!chosen)
        throw error{errc::invalid_certificate, "there is no certificate for the TLS handshake"};
    impl_->attached.resume(std::move(chosen));
}

void ssl_handshake::refuse(const std::error_code& why) noexcept { impl_->attached.refuse(alert_for(why)); }

std::optional<handshake_result> ssl_handshake::result(const std::error_code& failed, bool of_tls) const noexcept {
    return impl_->attached.result(!failed, of_tls ? static_cast<unsigned>(failed.value()) : 0);
}

void ssl_handshake::check_ended(const std::error_code& failed, bool of_tls) const {
    if (failed == asio::error::operation_aborted)
        throw std::system_error{failed};
    const std::string peer = to_string(hello().remote);
    if (failed && of_tls)
        throw error{errc::tls_failed, "the TLS handshake with " + peer + " failed: " + failed.message()};
    if (failed)
        throw error{
            errc::connection_closed,
            "the connection to " + peer + " ended during the TLS handshake: " + failed.message()};
    if (impl_->attached.receiving())
        throw error{
            errc::context_not_installed,
            "the context's ClientHello callback is not evercert's any more: call install() last"};
}

}  // namespace evercert
