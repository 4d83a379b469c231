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

/// A certificate's own copy of the public key takes 2 kB: it refers to `key` instead, unless the key would be written
/// in another way than it stands in the certificate (a compressed point, say).
x509_ptr with_key(x509_ptr leaf, bytes_view der, EVP_PKEY* key) {
    const auto same = [der](const X509* cert) { return std::ranges::equal(encode_der(i2d_X509, cert), der); };
    if (X509_set_pubkey(leaf.get(), key) == 1 && same(leaf.get()))
        return leaf;
    return parse_x509(der);
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
    : chain_{issuers, issuers->parsed()}, key_{std::move(key)} {
    x509_ptr leaf = parse_x509(leaf_der);
    names_ = decode_names(leaf.get());
    not_before_ = to_wall_time(X509_get0_notBefore(leaf.get()));
    not_after_ = to_wall_time(X509_get0_notAfter(leaf.get()));

    const openssl_errors_dropped errors;
    if (X509_check_private_key(leaf.get(), key_.native_handle()) != 1)
        throw error{errc::key_mismatch, "the private key does not belong to the certificate for " + to_string(names_)};
    leaf_ = with_key(std::move(leaf), leaf_der, key_.native_handle());
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
