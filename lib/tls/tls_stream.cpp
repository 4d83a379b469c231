#include "tls/tls_stream.hpp"

#include <chrono>
#include <new>
#include <optional>

#include <asio/error.hpp>
#include <asio/ip/address.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/event.hpp"
#include "crypto/x509_time.hpp"
#include "tls/server_handshake.hpp"
#include "tls/stream_bio.hpp"

namespace evercert {

namespace {

enum class need { nothing, readable, writable, time };

/// One direction of the stream below, which allows one wait at a time, while a reader and a writer up here may
/// both need it: OpenSSL reads in order to write, and the other way round.
struct shared_wait {
    explicit shared_wait(asio::any_io_executor executor) : ended{std::move(executor)} {}
    bool in_progress = false;
    event ended;
};

struct finished_wait {
    shared_wait& shared;
    ~finished_wait() {
        shared.in_progress = false;
        shared.ended.notify_all();
    }
};

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

std::string untrusted_because(long verified) {
    std::string reason = X509_verify_cert_error_string(verified);
    switch (verified) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return reason + "; or the clock here is wrong";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return reason + "; a CA that is not public needs its root in the file of trusted roots";
    default: return reason;
    }
}

}  // namespace

struct tls_stream::impl {
    impl(std::unique_ptr<stream> below, SSL_CTX* context)
        : next{std::move(below)},
          bio{*next},
          readable{next->get_executor()},
          writable{next->get_executor()},
          ssl{SSL_new(context)} {
        if (!ssl)
            throw std::bad_alloc{};
        BIO* const both = bio.make();
        SSL_set_bio(ssl.get(), both, both);
    }

    std::unique_ptr<stream> next;
    stream_bio bio;
    shared_wait readable;
    shared_wait writable;
    ssl_ptr ssl;

    std::shared_ptr<clock> time;  ///< a client's
    std::string peer;             ///< for messages
    std::unique_ptr<server_handshake> server;

    std::optional<handshake_result> result = handshake_result::failed;  ///< of a server
    bool established = false;
    bool closed = false;
    bool close_notify_waits = false;
    bool write_ended = false;
    std::error_code failure = {};        ///< of TLS or of reading: stays
    std::error_code write_failure = {};  ///< of writing below: what the peer sent before can still be read
    need read_needs = need::nothing;
    need write_needs = need::nothing;

    void begin() noexcept {
        ERR_clear_error();
        bio.begin();
    }

    /// A client's peer may have obtained its certificate while this handshake waited.
    void verify_at_the_current_time() noexcept {
        if (time)
            X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl.get()), to_time_t(time->wall()));
    }

    /// What OpenSSL waits for after `result`; `nothing` if it is something else.
    need need_after(int result) const noexcept {
        switch (SSL_get_error(ssl.get(), result)) {
        case SSL_ERROR_WANT_READ: return bio.exhausted() ? need::time : need::readable;
        case SSL_ERROR_WANT_WRITE: return need::writable;
        default: return need::nothing;
        }
    }

    asio::awaitable<void> wait(need what) {
        if (closed)
            throw std::system_error{asio::error::operation_aborted};
        if (what == need::nothing)
            co_return;
        if (what == need::time) {
            co_await asio::post(next->get_executor(), asio::use_awaitable);
            co_return;
        }
        shared_wait& shared = what == need::readable ? readable : writable;
        if (shared.in_progress) {
            // Whatever that one ended with: the caller tries again.
            co_await shared.ended.wait();
            if (closed)
                throw std::system_error{asio::error::operation_aborted};
            co_return;
        }
        shared.in_progress = true;
        const finished_wait finished{shared};
        if (what == need::readable)
            co_await next->wait_readable();
        else
            co_await next->wait_writable();
    }

    /// Until the handshake is done or, on a server, suspended.
    asio::awaitable<void> advance() {
        for (;;) {
            begin();
            verify_at_the_current_time();
            const int result = SSL_do_handshake(ssl.get());
            if (result == 1) {
                established = true;
                co_return;
            }
            if (SSL_get_error(ssl.get(), result) == SSL_ERROR_WANT_CLIENT_HELLO_CB)
                co_return;
            const need what = need_after(result);
            if (what == need::nothing)
                throw handshake_error();
            co_await wait(what);
        }
    }

    /// An alert has 7 bytes: it fits, unless the peer made sure that nothing does.
    void refuse(const error& why) noexcept {
        if (server && server->suspended()) {
            server->refuse(alert_for(why.code()));
            begin();
            SSL_do_handshake(ssl.get());
            ERR_clear_error();
            failure = make_error_code(errc::tls_failed);
        }
        next->shutdown_write();
    }

    error handshake_error() {
        failure = make_error_code(errc::tls_failed);
        if (server)
            result = server->result(false, bio.failure() ? 0 : ERR_peek_error());
        error of_openssl = openssl_error(errc::tls_failed, "the TLS handshake with " + peer + " failed");
        if (bio.failure() == asio::error::eof)
            return {errc::connection_closed, peer + " closed the connection during the TLS handshake"};
        if (bio.failure())
            return {
                errc::connection_closed,
                "the connection to " + peer + " broke during the TLS handshake: " + bio.failure().message()};
        if (const long verified = SSL_get_verify_result(ssl.get()); time && verified != X509_V_OK)
            return {
                errc::peer_untrusted, "the certificate of " + peer + " is not trusted: " + untrusted_because(verified)};
        return of_openssl;
    }

    std::error_code after(int result, need& needs) noexcept {
        needs = need_after(result);
        if (needs != need::nothing)
            return asio::error::would_block;
        if (SSL_get_error(ssl.get(), result) == SSL_ERROR_ZERO_RETURN)
            return asio::error::eof;
        if (bio.failure() == asio::error::eof)
            // Without close_notify an attacker may have cut it (RFC 8446, section 6.1).
            failure = make_error_code(errc::connection_closed);
        else
            failure = bio.failure() ? bio.failure() : make_error_code(errc::tls_failed);
        ERR_clear_error();
        return failure;
    }

    /// Why nothing can be read or written; none if it can.
    std::error_code obstacle() const noexcept {
        if (closed)
            return asio::error::bad_descriptor;
        if (failure)
            return failure;
        return established ? std::error_code{} : std::error_code{asio::error::not_connected};
    }

    void send_close_notify() noexcept {
        write_ended = true;
        begin();
        const int result = SSL_shutdown(ssl.get());
        close_notify_waits = result < 0 && need_after(result) == need::writable;
        if (!close_notify_waits)
            next->shutdown_write();
    }
};

tls_stream::tls_stream(std::unique_ptr<stream> next, const tls_server_context& context)
    : impl_{std::make_shared<impl>(std::move(next), context.native_handle())} {
    SSL_set_accept_state(impl_->ssl.get());
    client_hello addresses;
    addresses.local = impl_->next->local_endpoint();
    addresses.remote = impl_->next->remote_endpoint();
    impl_->peer = to_string(addresses.remote);
    impl_->server = std::make_unique<server_handshake>(impl_->ssl.get(), std::move(addresses));
}

tls_stream::tls_stream(
    std::unique_ptr<stream> next, const tls_client_context& context, const std::string& peer_name,
    std::vector<std::string> alpn_protocols)
    : impl_{std::make_shared<impl>(std::move(next), context.native_handle())} {
    SSL* const ssl = impl_->ssl.get();
    SSL_set_connect_state(ssl);
    set_peer_name(ssl, peer_name);
    set_alpn(ssl, alpn_protocols);
    impl_->peer = quoted(peer_name);
    impl_->time = context.time();
}

// Whoever waits has a share of the rest, and ends with operation_aborted.
tls_stream::~tls_stream() { close(); }

asio::awaitable<client_hello> tls_stream::receive_client_hello() {
    const auto self = impl_;
    if (!self->server || !self->server->receiving())
        throw error{errc::tls_failed, "a ClientHello is received once, by a server"};
    co_await self->advance();
    co_return self->server->hello();
}

asio::awaitable<void> tls_stream::finish_handshake(certificate_ptr chosen) {
    const auto self = impl_;
    if (!self->server || !self->server->suspended())
        throw error{errc::tls_failed, "a handshake is finished after its ClientHello was received"};
    if (!chosen) {
        const error missing{errc::tls_failed, "there is no certificate for the TLS handshake with " + self->peer};
        self->refuse(missing);
        throw missing;
    }
    self->server->resume(std::move(chosen));
    co_await self->advance();
    self->result = self->server->result(true, 0);
    self->server.reset();
}

std::optional<handshake_result> tls_stream::result() const noexcept { return impl_->result; }

asio::awaitable<void> tls_stream::refuse(error why) {
    impl_->refuse(why);
    co_return;
}

asio::awaitable<void> tls_stream::handshake() {
    const auto self = impl_;
    if (!self->time)
        throw error{errc::tls_failed, "a server's handshake begins with receive_client_hello()"};
    co_await self->advance();
}

std::string tls_stream::alpn_protocol() const {
    const unsigned char* data = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(impl_->ssl.get(), &data, &size);
    return {reinterpret_cast<const char*>(data), size};
}

SSL* tls_stream::native_handle() const noexcept { return impl_->ssl.get(); }

io_result tls_stream::try_read(std::span<std::byte> into) noexcept {
    impl& self = *impl_;
    self.read_needs = need::nothing;
    if (const auto obstacle = self.obstacle())
        return {0, obstacle};
    if (into.empty())
        return {};
    if (self.close_notify_waits)
        self.send_close_notify();
    self.begin();
    std::size_t size = 0;
    const int result = SSL_read_ex(self.ssl.get(), into.data(), into.size(), &size);
    if (result == 1)
        return {size, {}};
    return {0, self.after(result, self.read_needs)};
}

io_result tls_stream::try_write(std::span<const std::byte> from) noexcept {
    impl& self = *impl_;
    self.write_needs = need::nothing;
    if (const auto obstacle = self.obstacle())
        return {0, obstacle};
    if (self.write_ended)
        return {0, asio::error::broken_pipe};
    if (self.write_failure || from.empty())
        return {0, self.write_failure};
    self.begin();
    std::size_t size = 0;
    const int result = SSL_write_ex(self.ssl.get(), from.data(), from.size(), &size);
    if (result == 1)
        return {size, {}};
    self.write_needs = self.need_after(result);
    if (self.write_needs == need::nothing && self.bio.failure()) {
        ERR_clear_error();
        self.write_failure = self.bio.failure();
        return {0, self.write_failure};
    }
    return {0, self.after(result, self.write_needs)};
}

asio::awaitable<void> tls_stream::wait_readable() {
    const auto self = impl_;
    // What is owed to the peer goes first: nobody else would send it.
    co_await self->wait(self->close_notify_waits ? need::writable : self->read_needs);
}

asio::awaitable<void> tls_stream::wait_writable() {
    const auto self = impl_;
    co_await self->wait(self->write_needs);
}

void tls_stream::shutdown_write() noexcept {
    impl& self = *impl_;
    if (self.closed)
        return;
    if (self.established && !self.failure)
        self.send_close_notify();
    else
        self.next->shutdown_write();
}

void tls_stream::close() noexcept {
    impl_->closed = true;
    impl_->next->close();
}

asio::any_io_executor tls_stream::get_executor() const { return impl_->next->get_executor(); }
endpoint tls_stream::local_endpoint() const { return impl_->next->local_endpoint(); }
endpoint tls_stream::remote_endpoint() const { return impl_->next->remote_endpoint(); }

}  // namespace evercert
