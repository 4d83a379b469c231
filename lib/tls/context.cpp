#include "tls/context.hpp"

#include <cstdlib>
#include <fstream>
#include <new>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <evercert/error.hpp>

#include "crypto/openssl.hpp"
#include "tls/server_handshake.hpp"

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

}  // namespace

tls_server_context::tls_server_context(std::vector<std::string> alpn_protocols)
    : context_{make_context(TLS_server_method())} {
    use_groups(context_.get());
    prepare_server_context(context_.get(), std::move(alpn_protocols));
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
