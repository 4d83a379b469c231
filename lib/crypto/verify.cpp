#include "crypto/verify.hpp"

#include "crypto/openssl.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_time.hpp"

namespace evercert {

namespace {

// 112 bits: RSA of 2048 bits and SHA-256, as every public CA has them.
constexpr int auth_level = 2;

x509_store_ptr read_roots(std::string_view pem) {
    x509_store_ptr store{X509_STORE_new()};
    const auto blocks = read_pem(pem, errc::invalid_certificate);
    if (blocks.empty())
        throw error{errc::invalid_certificate, "the roots' PEM text holds no certificate"};
    for (const pem_block& block : blocks) {
        const auto root = decode_der<x509_ptr>(d2i_X509, block.der);
        if (!root || !store || X509_STORE_add_cert(store.get(), root.get()) != 1)
            throw openssl_error(errc::invalid_certificate, "a root certificate cannot be used");
    }
    return store;
}

}  // namespace

errc verification_errc(int reason) {
    switch (reason) {
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED: return errc::certificate_expired;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_CHAIN_TOO_LONG: return errc::chain_incomplete;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return errc::name_mismatch;
    default: return errc::invalid_certificate;
    }
}

void verify_chain(const certificate& cert, std::string_view roots_pem, wall_time at) {
    const x509_store_ptr store = read_roots(roots_pem);
    const openssl_errors_dropped errors;
    const x509_store_ctx_ptr ctx{X509_STORE_CTX_new()};
    if (!ctx || X509_STORE_CTX_init(ctx.get(), store.get(), cert.native_handle(), cert.native_chain()) != 1 ||
        X509_STORE_CTX_set_default(ctx.get(), "ssl_server") != 1)
        throw openssl_error(errc::invalid_certificate, "cannot verify a chain");
    X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_time(parameters, to_time_t(at));
    X509_VERIFY_PARAM_set_auth_level(parameters, auth_level);

    if (X509_verify_cert(ctx.get()) == 1)
        return;
    const int reason = X509_STORE_CTX_get_error(ctx.get());
    throw error{
        verification_errc(reason),
        "the certificate for " + to_string(cert.names()) + ", certificate " +
            std::to_string(X509_STORE_CTX_get_error_depth(ctx.get()) + 1) +
            " of its chain: " + X509_verify_cert_error_string(reason) + " (at " + to_text(at) + ")"};
}

}  // namespace evercert
