#include <algorithm>

#include <evercert/certificate.hpp>
#include <evercert/error.hpp>

#include "crypto/issuer_chain.hpp"
#include "crypto/openssl.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_names.hpp"
#include "crypto/x509_time.hpp"

namespace evercert {

namespace {

std::vector<identifier> decode_names(const X509* cert) {
    int critical = 0;
    const general_names_ptr list{
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, nullptr))};
    // -1 says that there is none.
    if (!list && critical != -1)
        throw openssl_error(errc::invalid_certificate, "the certificate's names are malformed or there twice");
    return from_general_names(list.get());
}

/// OpenSSL clears what it frees of these in its secure heap alone, which an application may not have.
struct secret_params_free {
    void operator()(OSSL_PARAM* parts) const noexcept {
        for (const OSSL_PARAM* each = parts; each->key; ++each)
            OPENSSL_cleanse(each->data, each->data_size);
        OSSL_PARAM_free(parts);
    }
};

/// A certificate's own copy of the public key takes 2 kB: what OpenSSL decoded as it becomes the private key, whose public
/// half it is. The bytes of the certificate stay as they are. (`X509_set_pubkey` with the private key writes and reads the
/// public half once more, which takes 170 µs.) Returns the key that is left.
private_key share_key(X509* leaf, private_key key) {
    const evp_pkey_ctx_ptr ctx{EVP_PKEY_CTX_new_from_pkey(nullptr, key.native_handle(), nullptr)};
    OSSL_PARAM* parts = nullptr;
    if (!ctx || EVP_PKEY_todata(key.native_handle(), EVP_PKEY_KEYPAIR, &parts) != 1)
        return key;
    const std::unique_ptr<OSSL_PARAM, secret_params_free> owner{parts};
    EVP_PKEY* shared = X509_get0_pubkey(leaf);
    if (EVP_PKEY_fromdata_init(ctx.get()) != 1 || EVP_PKEY_fromdata(ctx.get(), &shared, EVP_PKEY_KEYPAIR, parts) != 1 ||
        EVP_PKEY_up_ref(shared) != 1)
        return key;
    return private_key{shared};
}

bool is_issuer(X509* issuer, X509* subject) {
    const openssl_errors_dropped errors;
    return X509_check_issued(issuer, subject) == X509_V_OK && X509_verify(subject, X509_get0_pubkey(issuer)) == 1;
}

void verify_links(const certificate& cert) {
    X509* subject = cert.native_handle();
    const STACK_OF(X509)* chain = cert.native_chain();
    for (int i = 0; i < sk_X509_num(chain); ++i) {
        X509* issuer = sk_X509_value(chain, i);
        if (!is_issuer(issuer, subject))
            throw error{
                errc::chain_incomplete,
                "the chain is out of order or has a gap: certificate " + std::to_string(i + 2) + " (" +
                    quoted(readable_name(X509_get_subject_name(issuer))) +
                    ") did not issue the one before it, which names " +
                    quoted(readable_name(X509_get_issuer_name(subject)))};
        subject = issuer;
    }
}

}  // namespace

certificate::certificate(std::string_view chain_pem, private_key key)
    : certificate{read_chain(chain_pem), std::move(key)} {}

certificate::certificate(const std::vector<bytes>& chain, private_key key)
    : certificate{chain.front(), issuer_chain::intern({chain.begin() + 1, chain.end()}), std::move(key)} {}

certificate::certificate(bytes_view leaf_der, const std::shared_ptr<const issuer_chain>& issuers, private_key key)
    : leaf_{parse_x509(leaf_der)},
      chain_{issuers, issuers->parsed()},
      key_{std::move(key)},
      names_{decode_names(leaf_.get())},
      not_before_{to_wall_time(X509_get0_notBefore(leaf_.get()))},
      not_after_{to_wall_time(X509_get0_notAfter(leaf_.get()))} {
    const openssl_errors_dropped errors;
    if (X509_check_private_key(leaf_.get(), key_.native_handle()) != 1)
        throw error{errc::key_mismatch, "the private key does not belong to the certificate for " + to_string(names_)};
    key_ = share_key(leaf_.get(), std::move(key_));
}

std::string certificate::issuer() const { return readable_name(X509_get_issuer_name(leaf_.get())); }

std::string certificate::serial() const {
    constexpr std::string_view hex = "0123456789abcdef";
    const ASN1_INTEGER* serial = X509_get0_serialNumber(leaf_.get());
    std::string text = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ? "-" : "";
    const unsigned char* data = ASN1_STRING_get0_data(serial);
    for (int i = 0; i < ASN1_STRING_length(serial); ++i)
        text += {hex[data[i] >> 4], hex[data[i] & 0x0f]};
    return text;
}

bool certificate::covers(const identifier& name) const {
    const auto has = [this](const identifier& wanted) { return std::ranges::find(names_, wanted) != names_.end(); };
    if (has(name))
        return true;
    const auto wildcard = name.wildcard();
    return wildcard && has(*wildcard);
}

std::string certificate::chain_pem() const {
    std::string text;
    const auto append = [&text](const X509* cert) { text += write_pem("CERTIFICATE", encode_der(i2d_X509, cert)); };
    append(leaf_.get());
    for (int i = 0; i < sk_X509_num(chain_.get()); ++i)
        append(sk_X509_value(chain_.get(), i));
    return text;
}

void verify_servable(const certificate& cert, const std::vector<identifier>& names, wall_time now) {
    for (const identifier& name : names) {
        if (!cert.covers(name))
            throw error{
                errc::name_mismatch,
                "the certificate is not for " + name.value() + " but for " + to_string(cert.names())};
    }
    if (now < cert.not_before())
        throw error{
            errc::certificate_expired,
            "the certificate is not valid before " + to_text(cert.not_before()) + ", and it is " + to_text(now) +
                "; is the clock right?"};
    if (now > cert.not_after())
        throw error{
            errc::certificate_expired,
            "the certificate expired at " + to_text(cert.not_after()) + ", and it is " + to_text(now)};
    verify_links(cert);
    // Without the extension every purpose is allowed (RFC 5280, section 4.2.1.12), which OpenSSL reports as all bits.
    if ((X509_get_extended_key_usage(cert.native_handle()) & XKU_SSL_SERVER) == 0)
        throw error{errc::invalid_certificate, "the certificate's extended key usage does not allow TLS servers"};
}

}  // namespace evercert
