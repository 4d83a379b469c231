#include <new>

#include <asio/ip/address.hpp>
#include <openssl/x509v3.h>

#include <evercert/tls_stream.hpp>

#include "tls/client_identity.hpp"
#include "tls/tls_engine.hpp"

namespace evercert {

namespace {

void set_alpn(SSL* ssl, const std::vector<std::string>& protocols) {
    std::string wire;
    for (const auto& protocol : protocols) {
        if (protocol.empty() || protocol.size() > 255)
            throw error{errc::invalid_options, "an ALPN protocol has 1 to 255 bytes, unlike " + quoted(protocol)};
        wire += static_cast<char>(protocol.size());
        wire += protocol;
    }
    const auto* data = reinterpret_cast<const unsigned char*>(wire.data());
    if (!wire.empty() && SSL_set_alpn_protos(ssl, data, static_cast<unsigned>(wire.size())) != 0)
        throw std::bad_alloc{};
}

/// RFC 9525: the name is verified against subject alternative names alone; RFC 6066, section 3: no address and no
/// trailing dot in SNI.
void set_peer_name(SSL* ssl, std::string name) {
    X509_VERIFY_PARAM* const verify = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    std::error_code not_an_address;
    asio::ip::make_address(name, not_an_address);
    if (!not_an_address) {
        if (X509_VERIFY_PARAM_set1_ip_asc(verify, name.c_str()) != 1)
            throw error{errc::invalid_options, quoted(name) + " is not an address that a certificate can have"};
        return;
    }
    if (name.ends_with('.'))
        name.pop_back();
    if (name.empty() || name.size() > 253 || name.find('\0') != std::string::npos ||
        SSL_set_tlsext_host_name(ssl, name.c_str()) != 1 || SSL_set1_host(ssl, name.c_str()) != 1)
        throw error{errc::invalid_options, quoted(name) + " is not a name that a server can have"};
}

}  // namespace

tls_stream::tls_stream(std::unique_ptr<stream> next, const tls_server_context& context)
    : engine_{std::make_shared<tls_engine>(std::move(next), context.native_handle())} {
    engine_->become_server();
}

tls_stream::tls_stream(
    std::unique_ptr<stream> next, const tls_client_context& context, const std::string& peer_name,
    std::vector<std::string> alpn_protocols)
    : engine_{std::make_shared<tls_engine>(std::move(next), context.native_handle())} {
    SSL_set_connect_state(engine_->ssl());
    set_peer_name(engine_->ssl(), peer_name);
    set_alpn(engine_->ssl(), alpn_protocols);
    engine_->become_client(peer_name, context.time());
}

tls_stream::tls_stream(tls_stream&&) noexcept = default;

tls_stream& tls_stream::operator=(tls_stream&& other) noexcept {
    const auto before = std::exchange(engine_, std::move(other.engine_));
    if (before && before != engine_)
        before->close();
    return *this;
}

// Whoever waits has a share of the engine, and ends with operation_aborted.
tls_stream::~tls_stream() {
    if (engine_)
        engine_->close();
}

asio::awaitable<client_hello> tls_stream::receive_client_hello() {
    const auto engine = engine_;
    if (!engine->receiving())
        throw error{errc::tls_failed, "a ClientHello is received once, by a server"};
    co_await engine->advance();
    co_return engine->hello();
}

asio::awaitable<void> tls_stream::finish_handshake(certificate_ptr chosen) {
    const auto engine = engine_;
    if (!engine->suspended())
        throw error{errc::tls_failed, "a handshake is finished after its ClientHello was received"};
    if (!chosen) {
        const error missing{
            errc::invalid_certificate, "there is no certificate for the TLS handshake with " + engine->peer()};
        engine->refuse(missing);
        throw missing;
    }
    engine->resume(std::move(chosen));
    co_await engine->advance();
}

std::optional<handshake_result> tls_stream::result() const noexcept { return engine_->result(); }

asio::awaitable<void> tls_stream::refuse(error why) {
    engine_->refuse(why);
    co_return;
}

asio::awaitable<void> tls_stream::handshake() {
    const auto engine = engine_;
    if (!engine->is_client())
        throw error{errc::tls_failed, "a server's handshake begins with receive_client_hello()"};
    co_await engine->advance();
}

const std::string& tls_stream::server_name() const noexcept { return engine_->server_name(); }

std::string tls_stream::alpn_protocol() const {
    const unsigned char* data = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(engine_->ssl(), &data, &size);
    return {reinterpret_cast<const char*>(data), size};
}

const certificate_ptr& tls_stream::certificate() const noexcept { return engine_->certificate(); }
std::optional<client_identity> tls_stream::client() const { return verified_client(engine_->ssl()); }
bool tls_stream::resumed() const noexcept { return SSL_session_reused(engine_->ssl()) == 1; }
SSL* tls_stream::native_handle() const noexcept { return engine_->ssl(); }

stream& tls_stream::stable() const noexcept { return *engine_; }

io_result tls_stream::try_read(std::span<std::byte> into) noexcept { return engine_->try_read(into); }
io_result tls_stream::try_write(std::span<const std::byte> from) noexcept { return engine_->try_write(from); }
void tls_stream::start_wait(readiness what, wait_handler::pointer waiting) {
    engine_->start_wait(what, std::move(waiting));
}
void tls_stream::shutdown_write() noexcept { engine_->shutdown_write(); }
void tls_stream::close() noexcept { engine_->close(); }
asio::any_io_executor tls_stream::get_executor() const { return engine_->get_executor(); }
endpoint tls_stream::local_endpoint() const { return engine_->local_endpoint(); }
endpoint tls_stream::remote_endpoint() const { return engine_->remote_endpoint(); }

}  // namespace evercert
