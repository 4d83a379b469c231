#include <cstdlib>
#include <fstream>
#include <new>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <evercert/error.hpp>
#include <evercert/tls_context.hpp>

#include "crypto/openssl.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_time.hpp"
#include "tls/server_handshake.hpp"
#include "tls/tickets.hpp"

namespace evercert {

namespace {

/// RFC 9325, section 4.2: forward secrecy and AEAD for TLS 1.2; the suites of TLS 1.3 are all good. AES-128 first: nobody
/// breaks it, and it costs less for every byte than AES-256 with its SHA-384.
constexpr const char* tls12_ciphers = "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* tls13_ciphers = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
/// Every client has one of them. OpenSSL's own list goes on to finite fields of 8192 bits, with which any client could have
/// a server compute for milliseconds.
constexpr const char* groups = "X25519:P-256:P-384";
/// With the key exchange that withstands quantum computers, which OpenSSL has since 3.5.
constexpr const char* groups_with_hybrid = "X25519MLKEM768:X25519:P-256:P-384";

std::shared_ptr<SSL_CTX> make_context(const SSL_METHOD* method) {
    std::shared_ptr<SSL_CTX> context{SSL_CTX_new(method), [](SSL_CTX* made) { SSL_CTX_free(made); }};
    if (!context)
        throw std::bad_alloc{};
    SSL_CTX* const raw = context.get();
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    if (SSL_CTX_set_cipher_list(raw, tls12_ciphers) != 1 || SSL_CTX_set_ciphersuites(raw, tls13_ciphers) != 1)
        throw openssl_error(errc::tls_failed, "OpenSSL has not the ciphers for TLS");
    // Our order, but a client that puts ChaCha20 first has no AES in hardware.
    SSL_CTX_set_options(
        raw,
        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    // A record that the stream took in part is offered again from wherever the caller keeps the rest.
    SSL_CTX_set_mode(
        raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Otherwise each record takes two reads, one for its five bytes of header.
    SSL_CTX_set_read_ahead(raw, 1);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    return context;
}

void use_groups(SSL_CTX* context) {
    if (SSL_CTX_set1_groups_list(context, groups_with_hybrid) != 1 && SSL_CTX_set1_groups_list(context, groups) != 1)
        throw openssl_error(errc::tls_failed, "OpenSSL has not the groups for TLS");
    ERR_clear_error();
}

void load_roots(SSL_CTX* context, const std::string& file) {
    if (!std::ifstream{file})
        throw error{errc::invalid_options, "the file of trusted roots " + quoted(file) + " cannot be read"};
    if (SSL_CTX_load_verify_file(context, file.c_str()) != 1)
        throw openssl_error(
            errc::invalid_options, "the file of trusted roots " + quoted(file) + " has no certificate in PEM");
}

void free_clock(void*, void* time, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<std::shared_ptr<clock>*>(time);
}

int clock_index() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_clock);
    return index;
}

int verify_client(X509_STORE_CTX* chain, void* time) {
    X509_STORE_CTX_set_time(chain, 0, to_time_t((*static_cast<std::shared_ptr<clock>*>(time))->wall()));
    return X509_verify_cert(chain);
}

void add_client_ca(SSL_CTX* context, X509* ca) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca) != 1 || SSL_CTX_add_client_CA(context, ca) != 1)
        throw std::bad_alloc{};
}

void load_client_cas(SSL_CTX* context, const tls_server_options& options) {
    if (!options.client_ca_file.empty()) {
        load_roots(context, options.client_ca_file);
        const auto* const loaded = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
        for (int i = 0; i < sk_X509_OBJECT_num(loaded); ++i)
            if (auto* const ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(loaded, i)))
                if (SSL_CTX_add_client_CA(context, ca) != 1)
                    throw std::bad_alloc{};
    }
    for (const auto& block : read_pem(options.client_ca_pem, errc::invalid_options)) {
        const auto ca = decode_der<x509_ptr>(d2i_X509, block.der);
        if (block.label != "CERTIFICATE" || !ca)
            throw error{errc::invalid_options, "client_ca_pem has a block that is no certificate"};
        add_client_ca(context, ca.get());
    }
}

/// A session of before is as good as the CAs that its client was verified by.
bytes scope_of(SSL_CTX* context) {
    bytes all;
    const auto* const cas = X509_STORE_get0_objects(SSL_CTX_get_cert_store(context));
    for (int i = 0; i < sk_X509_OBJECT_num(cas); ++i)
        if (const auto* const ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(cas, i))) {
            const auto der = encode_der(i2d_X509, ca);
            all.insert(all.end(), der.begin(), der.end());
        }
    return all;
}

void ask_for_client_certificates(SSL_CTX* context, const tls_server_options& options) {
    const bool asks = options.client_certificates != client_authentication::none;
    const bool has_cas = !options.client_ca_file.empty() || !options.client_ca_pem.empty();
    if (asks != has_cas)
        throw error{
            errc::invalid_options,
            asks ? "to ask for client certificates takes client_ca_file or client_ca_pem, with the CAs that issue them"
                 : "there are CAs for client certificates, but client_certificates does not ask for any"};
    if (!asks)
        return;
    load_client_cas(context, options);
    const auto ca_scope = scope_of(context);
    if (ca_scope.empty())
        throw error{errc::invalid_options, "client_ca_pem has no certificate"};
    bind_sessions_to(context, ca_scope);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    const bool required = options.client_certificates == client_authentication::required;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
    auto time = std::make_unique<std::shared_ptr<clock>>(options.clock);
    if (SSL_CTX_set_ex_data(context, clock_index(), time.get()) != 1)
        throw std::bad_alloc{};
    SSL_CTX_set_cert_verify_callback(context, verify_client, time.release());
}

}  // namespace

tls_server_context::tls_server_context(tls_server_options options) : context_{make_context(TLS_server_method())} {
    SSL_CTX* const raw = context_.get();
    use_groups(raw);
    prepare_server_context(raw, std::move(options.alpn_protocols));
    ask_for_client_certificates(raw, options);
    // One for each connection that a client makes is what it needs for the next.
    SSL_CTX_set_num_tickets(raw, options.resumption ? 1 : 0);
    if (!options.resumption) {
        SSL_CTX_set_options(raw, SSL_OP_NO_TICKET);
        return;
    }
    if (!options.ticket_keys) {
        rotating_ticket_keys_options own;
        own.clock = options.clock;
        options.ticket_keys = std::make_shared<rotating_ticket_keys>(std::move(own));
    }
    use_ticket_keys(raw, std::move(options.ticket_keys), std::move(options.clock));
}

tls_client_context::tls_client_context(const std::string& ca_file, std::shared_ptr<clock> time)
    : context_{make_context(TLS_client_method())}, clock_{std::move(time)} {
    SSL_CTX* const raw = context_.get();
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
    // An issuer in the file of roots is trusted as what it is, whether or not it signed itself.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(raw), X509_V_FLAG_PARTIAL_CHAIN);
    // Like OpenSSL itself, not for programs that run with more rights than their caller.
    const char* const from_environment = ::secure_getenv(X509_get_default_cert_file_env());
    if (!ca_file.empty())
        load_roots(raw, ca_file);
    else if (from_environment && *from_environment)
        load_roots(raw, from_environment);
    else if (SSL_CTX_set_default_verify_paths(raw) != 1)
        throw openssl_error(errc::invalid_options, "the system's trusted roots cannot be loaded");
}

tls_client_context tls_client_context::unverified(std::shared_ptr<clock> time) {
    auto context = make_context(TLS_client_method());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    return {std::move(context), std::move(time)};
}

}  // namespace evercert
