#include "tls/trial_handshake.hpp"

#include <string>

#include <evercert/error.hpp>
#include <evercert/tls_context.hpp>

#include "crypto/openssl.hpp"
#include "crypto/verify.hpp"
#include "crypto/x509_time.hpp"
#include "tls/server_handshake.hpp"

namespace evercert {

namespace {

/// A handshake takes two or three; more than that is one that goes nowhere.
constexpr int rounds_max = 16;

/// What a client puts into the place of the asterisk. One character, since the name may be as long as names get.
constexpr char any_label = 'a';

void require(bool done, const char* what) {
    if (!done)
        throw openssl_error(errc::tls_failed, what);
}

const tls_server_context& server_context() {
    static const auto* const one = new tls_server_context{tls_server_options{}};
    return *one;
}

const tls_client_context& client_context() {
    static const auto* const one = new tls_client_context{tls_client_context::unverified(nullptr)};
    return *one;
}

ssl_ptr make_ssl(SSL_CTX* context) {
    ssl_ptr ssl{SSL_new(context)};
    require(ssl != nullptr, "cannot make a TLS connection");
    return ssl;
}

/// What one writes, the other reads.
void connect(SSL* client, SSL* server) {
    bio_ptr to_server{BIO_new(BIO_s_mem())};
    bio_ptr to_client{BIO_new(BIO_s_mem())};
    require(to_server && to_client, "cannot connect two TLS connections");
    BIO_up_ref(to_server.get());
    BIO_up_ref(to_client.get());
    SSL_set_bio(client, to_client.get(), to_server.get());
    SSL_set_bio(server, to_server.release(), to_client.release());
}

/// The last certificate of the chain; the end-entity certificate itself if it stands alone.
X509* anchor_of(const certificate& cert) {
    const STACK_OF(X509)* chain = cert.native_chain();
    const int size = sk_X509_num(chain);
    return size > 0 ? sk_X509_value(chain, size - 1) : cert.native_handle();
}

class trial {
public:
    trial(const certificate_ptr& cert, const identifier& name, wall_time now, int version)
        : cert_{cert},
          asked_{name.is_wildcard() ? any_label + name.value().substr(1) : name.value()},
          now_{now},
          version_{version} {
        connect(client_.get(), server_.get());
        SSL_set_connect_state(client_.get());
        SSL_set_accept_state(server_.get());
        // Nobody would come back with one.
        SSL_set_num_tickets(server_.get(), 0);
        prepare_client();
    }

    void run() {
        bool served = false;
        bool received = false;
        for (int round = 0; round < rounds_max && !(served && received); ++round) {
            received = advance(client_.get());
            served = advance(server_.get());
        }
        if (!served || !received)
            throw error{errc::tls_failed, "the handshake that tries the certificate " + about() + " does not end"};
        check_received();
    }

private:
    void prepare_client() {
        SSL* const ssl = client_.get();
        const x509_store_ptr trusted{X509_STORE_new()};
        require(
            trusted && X509_STORE_add_cert(trusted.get(), anchor_of(*cert_)) == 1 &&
                SSL_set1_verify_cert_store(ssl, trusted.get()) == 1,
            "cannot trust a chain");
        SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
        X509_VERIFY_PARAM* const parameters = SSL_get0_param(ssl);
        X509_VERIFY_PARAM_set_time(parameters, to_time_t(now_));
        X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
        // RFC 9525, section 6.3 (no common names) and 6.4 (the asterisk is a whole label).
        X509_VERIFY_PARAM_set_hostflags(
            parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        const bool is_address = identifier{asked_}.type() == identifier::kind::ip;
        // RFC 6066, section 3: no addresses in the server name.
        require(
            is_address ? X509_VERIFY_PARAM_set1_ip_asc(parameters, asked_.c_str()) == 1
                       : X509_VERIFY_PARAM_set1_host(parameters, asked_.c_str(), 0) == 1 &&
                    SSL_set_tlsext_host_name(ssl, asked_.c_str()) == 1,
            "cannot ask for a name");
        require(
            SSL_set_min_proto_version(ssl, version_) == 1 && SSL_set_max_proto_version(ssl, version_) == 1,
            "cannot choose the version of TLS");
    }

    /// True once its half of the handshake is done.
    bool advance(SSL* ssl) {
        for (;;) {
            ERR_clear_error();
            const int result = SSL_do_handshake(ssl);
            if (result == 1)
                return true;
            switch (SSL_get_error(ssl, result)) {
            case SSL_ERROR_WANT_READ: return false;
            case SSL_ERROR_WANT_CLIENT_HELLO_CB: attached_.resume(cert_); break;
            default: fail(ssl);
            }
        }
    }

    [[noreturn]] void fail(SSL* ssl) const {
        if (ssl == server_.get())
            throw openssl_error(errc::invalid_certificate, "a server cannot use the certificate " + about());
        const auto reason = SSL_get_verify_result(ssl);
        if (reason == X509_V_OK)
            throw openssl_error(errc::invalid_certificate, "a client refuses the certificate " + about());
        ERR_clear_error();
        throw error{
            verification_errc(static_cast<int>(reason)),
            "a client refuses the certificate " + about() + ": " + X509_verify_cert_error_string(reason)};
    }

    void check_received() const {
        const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(client_.get());
        const X509* const leaf = sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : nullptr;
        if (!leaf || X509_cmp(leaf, cert_->native_handle()) != 0)
            throw error{errc::invalid_certificate, "a client gets another certificate than the one " + about()};
        // OpenSSL's clients sort the chain themselves; others do not (RFC 5246, section 7.4.2).
        for (int i = 1; i < sk_X509_num(chain); ++i)
            if (X509_check_issued(sk_X509_value(chain, i), sk_X509_value(chain, i - 1)) != X509_V_OK)
                throw error{
                    errc::chain_incomplete,
                    "a client gets a chain out of order with the certificate " + about() + ": certificate " +
                        std::to_string(i + 1) + " did not issue the one before it"};
    }

    std::string about() const {
        return "for " + to_string(cert_->names()) + " (asked for " + asked_ + " at " + to_text(now_) + " over " +
            (version_ == TLS1_3_VERSION ? "TLS 1.3)" : "TLS 1.2)");
    }

    certificate_ptr cert_;
    std::string asked_;
    wall_time now_;
    int version_;
    ssl_ptr client_ = make_ssl(client_context().native_handle());
    ssl_ptr server_ = make_ssl(server_context().native_handle());
    server_handshake attached_{server_.get(), client_hello{}, server_handshake::context_of::evercert};
};

}  // namespace

void verify_in_handshake(const certificate_ptr& cert, const identifier& name, wall_time now) {
    for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION})
        trial{cert, name, now, version}.run();
}

}  // namespace evercert
