#include "tls/client_identity.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "crypto/openssl.hpp"
#include "crypto/x509_time.hpp"

namespace evercert {

namespace {

std::string to_hex(bytes_view data) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const auto byte : data)
        text += {digits[byte >> 4], digits[byte & 0x0f]};
    return text;
}

std::string text_of(const ASN1_STRING* string) {
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, string);
    const openssl_memory_ptr owner{utf8};
    if (size < 0)
        return {};
    return {reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size)};
}

std::string common_name(const X509_NAME* name) {
    int last = -1;
    for (int at = -1; (at = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;)
        last = at;
    return last < 0 ? std::string{} : text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
}

std::string whole_name(const X509_NAME* name) {
    const bio_ptr into{BIO_new(BIO_s_mem())};
    if (!into || X509_NAME_print_ex(into.get(), name, 0, XN_FLAG_RFC2253) < 0)
        throw openssl_error(errc::invalid_certificate, "cannot read a client certificate's subject");
    const char* data = nullptr;
    const auto size = BIO_get_mem_data(into.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

void read_names(const X509* cert, client_identity& into) {
    const general_names_ptr names{
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr))};
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_DNS)
            into.dns_names.push_back(text_of(name->d.dNSName));
        else if (name->type == GEN_URI)
            into.uris.push_back(text_of(name->d.uniformResourceIdentifier));
        else if (name->type == GEN_EMAIL)
            into.emails.push_back(text_of(name->d.rfc822Name));
    }
}

}  // namespace

std::optional<client_identity> verified_client(const SSL* ssl) {
    const X509* const cert = SSL_get0_peer_certificate(ssl);
    if (!cert || SSL_is_server(ssl) == 0 || SSL_get_verify_result(ssl) != X509_V_OK ||
        SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE)
        return {};
    const openssl_errors_dropped errors;
    client_identity identity;
    const X509_NAME* const subject = X509_get_subject_name(cert);
    identity.common_name = common_name(subject);
    identity.subject = whole_name(subject);
    read_names(cert, identity);
    const ASN1_INTEGER* const serial = X509_get0_serialNumber(cert);
    identity.serial = to_hex({ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial))});
    identity.fingerprint = to_hex(sha256(encode_der(i2d_X509, cert)));
    identity.not_after = to_wall_time(X509_get0_notAfter(cert));
    return identity;
}

}  // namespace evercert
