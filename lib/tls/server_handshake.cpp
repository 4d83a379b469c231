#include "tls/server_handshake.hpp"

#include <algorithm>
#include <memory>
#include <sys/socket.h>

#include <asio/ip/tcp.hpp>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <evercert/error.hpp>

#include "crypto/encoding.hpp"
#include "tls/client_hello.hpp"
#include "tls/handshake_end.hpp"

namespace evercert {

namespace {

constexpr std::string_view challenge_protocol = "acme-tls/1";

struct server_callbacks {
    context_lookup lookup;
    std::vector<std::string> alpn_protocols;
    std::shared_ptr<const context_report> report;  ///< null if nobody asked
    bytes session_scope = {};                      ///< a hash, or nothing
};

/// What a handshake that cannot wait shows its client, until its end is reported.
struct shown_certificate {
    certificate_ptr certificate;
    std::shared_ptr<const context_report> report;
};

void free_callbacks(void*, void* callbacks, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<server_callbacks*>(callbacks);
}

void free_shown(void*, void* shown, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<shown_certificate*>(shown);
}

int shown_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_shown);
    return index;
}

int context_index() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_callbacks);
    return index;
}

server_callbacks* callbacks_of(const SSL_CTX* context) {
    return static_cast<server_callbacks*>(SSL_CTX_get_ex_data(context, context_index()));
}

int connection_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

const ASN1_OBJECT* acme_identifier() {
    static const asn1_object_ptr object{OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1)};
    return object.get();
}

/// RFC 8737, section 3: a challenge certificate is one with the acmeIdentifier extension.
bool has_challenge_certificate(SSL* ssl) {
    const X509* certificate = SSL_get_certificate(ssl);
    return certificate && X509_get_ext_by_OBJ(certificate, acme_identifier(), -1) >= 0;
}

/// Sessions must not be resumed for another name: a ticket of one would skip the certificate of the other.
bool bind_sessions(SSL* ssl, const client_hello& hello) {
    const auto bind = [ssl](bytes_view to) {
        return SSL_set_session_id_context(ssl, to.data(), static_cast<unsigned>(to.size())) == 1;
    };
    const auto name = as_bytes(hello.server_name);
    const auto* const callbacks = callbacks_of(SSL_get_SSL_CTX(ssl));
    bool bound = false;
    if (callbacks && !callbacks->session_scope.empty()) {
        auto scoped = callbacks->session_scope;
        scoped.insert(scoped.end(), name.begin(), name.end());
        bound = bind(sha256(scoped));
    } else if (name.empty() || name.size() >= SSL_MAX_SID_CTX_LENGTH) {
        bound = bind(sha256(name));
    } else {
        // Shorter than any hash, and so never the same as one.
        bound = bind(name);
    }
    if (!bound)
        return false;
    if (hello.is_challenge()) {
        // A validation must see the certificate of now, so it neither gets a ticket nor may use one.
        SSL_set_options(ssl, SSL_OP_NO_TICKET);
        SSL_set_num_tickets(ssl, 0);
    }
    return true;
}

bool use_certificate(SSL* ssl, const certificate& chosen) {
    // The context may have certificates of its own, of another key type, which the client might prefer.
    SSL_certs_clear(ssl);
    return SSL_use_cert_and_key(ssl, chosen.native_handle(), chosen.key().native_handle(), chosen.native_chain(), 1) ==
        1;
}

/// Of a connection whose socket OpenSSL reads itself; unspecified otherwise.
endpoint socket_endpoint(int descriptor, decltype(&::getsockname) get) {
    asio::ip::tcp::endpoint native;
    auto size = static_cast<socklen_t>(native.capacity());
    endpoint result;
    if (descriptor < 0 || get(descriptor, native.data(), &size) != 0)
        return result;
    const int family = native.data()->sa_family;
    if (family != AF_INET && family != AF_INET6)
        return result;
    native.resize(size);
    result.address = native.address();
    result.port = native.port();
    return result;
}

void report_end(const SSL* ssl, handshake_result result) {
    const std::unique_ptr<shown_certificate> shown{
        static_cast<shown_certificate*>(SSL_get_ex_data(ssl, shown_index()))};
    if (!shown)
        return;
    SSL_set_ex_data(const_cast<SSL*>(ssl), shown_index(), nullptr);
    if (!SSL_session_reused(ssl))
        (*shown->report)(shown->certificate, result);
}

/// A client that just leaves is not reported: OpenSSL says nothing then.
void info_callback(const SSL* ssl, int where, int value) {
    const auto is = [where](int what) { return (where & what) == what; };
    if (is(SSL_CB_HANDSHAKE_DONE))
        report_end(ssl, handshake_result::established);
    else if (is(SSL_CB_READ_ALERT) && rejects_certificate(value & 0xff))
        report_end(ssl, handshake_result::certificate_rejected);
    else if (is(SSL_CB_WRITE_ALERT) && failed_with_certificate(ssl))
        report_end(ssl, handshake_result::certificate_rejected);
}

/// Not if the application watches the connection itself: OpenSSL has room for one.
void watch_end(SSL* ssl, const certificate_ptr& chosen, const std::shared_ptr<const context_report>& report) {
    const auto present = SSL_get_info_callback(ssl);
    const bool taken = present ? present != info_callback : SSL_CTX_get_info_callback(SSL_get_SSL_CTX(ssl)) != nullptr;
    if (!report || taken)
        return;
    // Twice after a HelloRetryRequest.
    delete static_cast<shown_certificate*>(SSL_get_ex_data(ssl, shown_index()));
    auto shown = std::make_unique<shown_certificate>(shown_certificate{chosen, report});
    if (SSL_set_ex_data(ssl, shown_index(), shown.get()) != 1)
        throw std::bad_alloc{};
    shown.release();
    SSL_set_info_callback(ssl, info_callback);
}

int on_undriven_client_hello(SSL* ssl, int& alert, const server_callbacks& callbacks) {
    client_hello hello;
    alert = read_client_hello(ssl, hello);
    if (alert != 0)
        return SSL_CLIENT_HELLO_ERROR;
    alert = SSL_AD_INTERNAL_ERROR;
    if (!callbacks.lookup)
        return SSL_CLIENT_HELLO_ERROR;
    const int descriptor = SSL_get_fd(ssl);
    hello.local = socket_endpoint(descriptor, ::getsockname);
    hello.remote = socket_endpoint(descriptor, ::getpeername);
    const certificate_ptr chosen = callbacks.lookup(hello);
    if (!chosen || !bind_sessions(ssl, hello))
        return SSL_CLIENT_HELLO_ERROR;
    watch_end(ssl, chosen, callbacks.report);
    if (use_certificate(ssl, *chosen))
        return SSL_CLIENT_HELLO_SUCCESS;
    report_end(ssl, handshake_result::certificate_rejected);
    return SSL_CLIENT_HELLO_ERROR;
}

int client_hello_callback(SSL* ssl, int* alert, void* argument) {
    try {
        if (auto* driven = server_handshake::of(ssl))
            return driven->on_client_hello(*alert);
        return on_undriven_client_hello(ssl, *alert, *static_cast<const server_callbacks*>(argument));
    } catch (const std::system_error& refused) {
        *alert = alert_for(refused.code());
    } catch (...) {
        *alert = SSL_AD_INTERNAL_ERROR;
    }
    return SSL_CLIENT_HELLO_ERROR;
}

int certificate_callback(SSL* ssl, void*) {
    auto* const driven = server_handshake::of(ssl);
    return !driven || driven->on_certificate() ? 1 : 0;
}

/// OpenSSL has checked the offer's form before.
const unsigned char* find_offered(bytes_view offer, std::string_view protocol) {
    for (std::size_t at = 0; at < offer.size(); at += 1 + offer[at]) {
        const bytes_view offered = offer.subspan(at + 1, offer[at]);
        if (std::ranges::equal(offered, as_bytes(protocol)))
            return offer.data() + at;
    }
    return nullptr;
}

int alpn_callback(
    SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned int in_size,
    void* argument) {
    const auto& callbacks = *static_cast<const server_callbacks*>(argument);
    const bytes_view offer{in, in_size};
    const auto select = [&](std::string_view protocol) {
        const unsigned char* found = find_offered(offer, protocol);
        if (!found)
            return false;
        *out = found + 1;
        *out_size = *found;
        return true;
    };
    // RFC 8737, section 3: the protocol of a validation is its sole offer.
    const bool sole = offer.size() == challenge_protocol.size() + 1;
    if (sole && select(challenge_protocol))
        return has_challenge_certificate(ssl) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
    if (callbacks.alpn_protocols.empty())
        return SSL_TLSEXT_ERR_NOACK;
    // RFC 7301, section 3.2: no overlap ends the handshake.
    return std::ranges::any_of(callbacks.alpn_protocols, select) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

void prepare_server_context(
    SSL_CTX* context, std::vector<std::string> alpn_protocols, context_lookup lookup, context_report report) {
    for (const auto& protocol : alpn_protocols) {
        if (protocol.empty() || protocol.size() > 255)
            throw error{errc::invalid_options, "an ALPN protocol has 1 to 255 bytes, unlike " + quoted(protocol)};
        if (protocol == challenge_protocol)
            throw error{
                errc::invalid_options, "acme-tls/1 is for validations alone: leave it out of the ALPN protocols"};
    }
    auto callbacks = std::make_unique<server_callbacks>();
    callbacks->lookup = std::move(lookup);
    if (report)
        callbacks->report = std::make_shared<const context_report>(std::move(report));
    callbacks->alpn_protocols = std::move(alpn_protocols);
    const auto* const previous = callbacks_of(context);
    if (SSL_CTX_set_ex_data(context, context_index(), callbacks.get()) != 1)
        throw std::bad_alloc{};
    SSL_CTX_set_client_hello_cb(context, client_hello_callback, callbacks.get());
    SSL_CTX_set_alpn_select_cb(context, alpn_callback, callbacks.get());
    callbacks.release();
    delete previous;
}

void bind_sessions_to(SSL_CTX* context, bytes_view scope) {
    const auto hash = sha256(scope);
    callbacks_of(context)->session_scope.assign(hash.begin(), hash.end());
}

bool is_prepared(const SSL_CTX* context) noexcept { return callbacks_of(context) != nullptr; }

int alert_for(const std::error_code& code) noexcept {
    if (code == errc::name_not_allowed || code == errc::invalid_identifier || code == errc::no_server_name)
        return SSL_AD_UNRECOGNIZED_NAME;
    // RFC 8737 leaves open what a server answers that has no validation in progress. For this name it does not speak
    // acme-tls/1, which RFC 7301, section 3.2, has an alert for.
    if (code == errc::no_challenge)
        return SSL_AD_NO_APPLICATION_PROTOCOL;
    // RFC 8446, section 4.4.2.2, by the reason of section 4.1.1: no set of parameters that both support.
    if (code == errc::tls_failed)
        return SSL_AD_HANDSHAKE_FAILURE;
    return SSL_AD_INTERNAL_ERROR;
}

server_handshake::server_handshake(SSL* ssl, client_hello addresses, context_of owner)
    : hello_{std::move(addresses)}, may_wait_{owner == context_of::evercert} {
    if (SSL_set_ex_data(ssl, connection_index(), this) != 1)
        throw std::bad_alloc{};
    SSL_up_ref(ssl);
    ssl_.reset(ssl);
}

server_handshake::~server_handshake() { SSL_set_ex_data(ssl_.get(), connection_index(), nullptr); }

void server_handshake::resume(certificate_ptr chosen) {
    certificate_ = std::move(chosen);
    state_ = state::resumed;
}

void server_handshake::refuse(int alert) noexcept {
    alert_ = alert;
    state_ = state::refused;
}

std::optional<handshake_result> server_handshake::result(bool established, unsigned long error) const noexcept {
    if ((state_ != state::resumed && state_ != state::chosen) || SSL_session_reused(ssl_.get()))
        return {};
    if (established)
        return handshake_result::established;
    return unusable_ ? handshake_result::certificate_rejected : result_of_failure(ssl_.get(), error);
}

server_handshake* server_handshake::of(const SSL* ssl) noexcept {
    return static_cast<server_handshake*>(SSL_get_ex_data(ssl, connection_index()));
}

int server_handshake::on_client_hello(int& alert) {
    switch (state_) {
    case state::receiving:
        alert = read_client_hello(ssl_.get(), hello_);
        if (alert == 0 && !bind_sessions(ssl_.get(), hello_))
            alert = SSL_AD_INTERNAL_ERROR;
        if (alert != 0)
            return SSL_CLIENT_HELLO_ERROR;
        state_ = state::suspended;
        return SSL_CLIENT_HELLO_RETRY;
    case state::suspended: return SSL_CLIENT_HELLO_RETRY;
    case state::refused: alert = alert_; return SSL_CLIENT_HELLO_ERROR;
    case state::chosen: return is_the_same(alert);
    case state::resumed: break;
    }
    state_ = state::chosen;
    // A certificate costs as much as all else that is ours in a handshake, and a client that resumes a session needs none. For a
    // validation the choice of ALPN looks at it, and that comes first.
    if (!hello_.is_challenge() && may_wait_) {
        SSL_set_cert_cb(ssl_.get(), certificate_callback, nullptr);
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    if (on_certificate())
        return SSL_CLIENT_HELLO_SUCCESS;
    alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

bool server_handshake::on_certificate() {
    unusable_ = certificate_ && !use_certificate(ssl_.get(), *certificate_);
    certificate_.reset();
    return !unusable_;
}

/// The ClientHello that follows a HelloRetryRequest (RFC 8446, section 4.1.2): another would get the first one's certificate.
int server_handshake::is_the_same(int& alert) const {
    client_hello again;
    alert = read_client_hello(ssl_.get(), again);
    if (alert == 0 && (again.server_name != hello_.server_name || again.alpn_protocols != hello_.alpn_protocols))
        alert = SSL_AD_ILLEGAL_PARAMETER;
    return alert == 0 ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

}  // namespace evercert
