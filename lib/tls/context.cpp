#include "tls/context.hpp"

#include <cstdlib>
#include <fstream>
#include <new>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <evercert/error.hpp>

#include "crypto/openssl.hpp"
#include "tls/server_handshake.hpp"

namespace evercert {

namespace {

/// RFC 9325, section 4.2: forward secrecy and AEAD for TLS 1.2; the suites of TLS 1.3 are all good.
constexpr const char* tls12_ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

std::shared_ptr<SSL_CTX> make_context(const SSL_METHOD* method) {
    std::shared_ptr<SSL_CTX> context{SSL_CTX_new(method), [](SSL_CTX* made) { SSL_CTX_free(made); }};
    if (!context)
        throw std::bad_alloc{};
    SSL_CTX* const raw = context.get();
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    if (SSL_CTX_set_cipher_list(raw, tls12_ciphers) != 1)
        throw openssl_error(errc::tls_failed, "OpenSSL offers no cipher for TLS 1.2");
    SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    // A record that the stream took in part is offered again from wherever the caller keeps the rest.
    SSL_CTX_set_mode(
        raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Otherwise each record takes two reads, one for its five bytes of header.
    SSL_CTX_set_read_ahead(raw, 1);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    return context;
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
