#include "tls/tickets.hpp"

#include <algorithm>
#include <new>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "crypto/openssl.hpp"
#include "crypto/x509_time.hpp"

namespace evercert {

namespace {

using cipher_ptr = std::unique_ptr<EVP_CIPHER, openssl_free<EVP_CIPHER_free>>;

/// RFC 5246, appendix F.1.4. RFC 8446, section 4.6.1, would allow 7.
constexpr std::chrono::seconds lifetime_max = std::chrono::days{1};

struct tickets {
    std::shared_ptr<ticket_key_source> source;
    std::shared_ptr<clock> time;
    /// Fetched once: each fetch costs a microsecond or two.
    cipher_ptr cipher{EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)};
};

void free_tickets(void*, void* all, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<tickets*>(all); }

int tickets_index() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_tickets);
    return index;
}

/// What SSL_CTX_set_tlsext_ticket_key_evp_cb calls for.
enum answer { failed = -1, no_key = 0, good = 1, good_but_renew = 2 };

bool set_authentication(EVP_MAC_CTX* mac, const ticket_key& key) {
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(
            OSSL_MAC_PARAM_KEY, const_cast<std::uint8_t*>(key.authentication.data()), key.authentication.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/// A client whose certificate has ended since is to show another.
bool client_has_ended(const SSL_SESSION* session, wall_time now) {
    const X509* const shown = SSL_SESSION_get0_peer(const_cast<SSL_SESSION*>(session));
    return shown && to_wall_time(X509_get0_notAfter(shown)) < now;
}

/// A ticket of a server that took clients without a certificate says nothing to one that does not. OpenSSL does not look.
bool lacks_client(SSL* ssl, const SSL_SESSION* session) {
    return (SSL_get_verify_mode(ssl) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) != 0 &&
        !SSL_SESSION_get0_peer(const_cast<SSL_SESSION*>(session));
}

SSL_TICKET_RETURN opened_callback(
    SSL* ssl, SSL_SESSION* session, const unsigned char*, std::size_t, SSL_TICKET_STATUS status, void*) {
    const auto& by = *static_cast<const tickets*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), tickets_index()));
    try {
        switch (status) {
        case SSL_TICKET_SUCCESS:
        case SSL_TICKET_SUCCESS_RENEW:
            if (lacks_client(ssl, session) || client_has_ended(session, by.time->wall()))
                return SSL_TICKET_RETURN_IGNORE_RENEW;
            return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
        default: return SSL_TICKET_RETURN_IGNORE_RENEW;
        }
    } catch (...) {
        return SSL_TICKET_RETURN_ABORT;
    }
}

int begin_ticket(
    SSL* ssl, const tickets& by, const ticket_keys& keys, wall_time now, unsigned char* name, unsigned char* iv,
    EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
    const auto& key = keys.front();
    const auto left = std::chrono::floor<std::chrono::seconds>(key.until - now);
    SSL_SESSION* const session = SSL_get_session(ssl);
    if (left <= std::chrono::seconds::zero() || !session)
        return no_key;
    // The lifetime that the client is told is written after this.
    SSL_SESSION_set_timeout(session, static_cast<long>(std::min(left, lifetime_max).count()));
    const int iv_size = EVP_CIPHER_get_iv_length(by.cipher.get());
    if (RAND_bytes(iv, iv_size) != 1 ||
        EVP_EncryptInit_ex2(cipher, by.cipher.get(), key.encryption.data(), iv, nullptr) != 1 ||
        !set_authentication(mac, key))
        return failed;
    std::ranges::copy(key.name, name);
    return good;
}

int open_ticket(
    SSL* ssl, const tickets& by, const ticket_keys& keys, wall_time now, const unsigned char* name,
    const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
    const auto key = std::ranges::find_if(keys, [name](const ticket_key& each) {
        return std::ranges::equal(each.name, std::span{name, each.name.size()});
    });
    if (key == keys.end() || key->until <= now)
        return no_key;
    if (EVP_DecryptInit_ex2(cipher, by.cipher.get(), key->encryption.data(), iv, nullptr) != 1 ||
        !set_authentication(mac, *key))
        return failed;
    // RFC 8446, appendix C.4: a ticket is for one use, so its client needs the next one.
    const bool is_single = SSL_version(ssl) >= TLS1_3_VERSION;
    return key == keys.begin() && !is_single ? good : good_but_renew;
}

int ticket_callback(
    SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int encrypt) {
    try {
        const auto& by = *static_cast<const tickets*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), tickets_index()));
        const auto keys = by.source->current();
        if (!keys || keys->empty())
            return no_key;
        const auto now = by.time->wall();
        return encrypt ? begin_ticket(ssl, by, *keys, now, name, iv, cipher, mac)
                       : open_ticket(ssl, by, *keys, now, name, iv, cipher, mac);
    } catch (...) {
        return failed;
    }
}

}  // namespace

void use_ticket_keys(SSL_CTX* context, std::shared_ptr<ticket_key_source> source, std::shared_ptr<clock> time) {
    auto made = std::make_unique<tickets>();
    made->source = std::move(source);
    made->time = std::move(time);
    if (!made->cipher || SSL_CTX_set_ex_data(context, tickets_index(), made.get()) != 1)
        throw std::bad_alloc{};
    made.release();
    // What the session within the ticket has; `begin_ticket` comes too late for that one.
    SSL_CTX_set_timeout(context, static_cast<long>(lifetime_max.count()));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_callback);
    SSL_CTX_set_session_ticket_cb(context, nullptr, opened_callback, nullptr);
}

}  // namespace evercert
