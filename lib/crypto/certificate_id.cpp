#include "crypto/certificate_id.hpp"

namespace evercert {

namespace {

using authority_keyid_ptr = std::unique_ptr<AUTHORITY_KEYID, openssl_free<AUTHORITY_KEYID_free>>;

/// With the zero that keeps a number positive, which `ASN1_INTEGER` itself does not have.
std::string encode_serial(const X509* cert) {
    const auto der = encode_der(i2d_ASN1_INTEGER, X509_get0_serialNumber(cert));
    const unsigned char* content = der.data();
    long size = 0;
    int tag = 0;
    int object_class = 0;
    const auto parsed = ASN1_get_object(&content, &size, &tag, &object_class, static_cast<long>(der.size()));
    if ((parsed & 0x80) != 0)
        throw openssl_error(errc::invalid_certificate, "the certificate's serial number cannot be encoded");
    return base64url_encode({content, static_cast<std::size_t>(size)});
}

}  // namespace

std::string certificate_id(const X509* cert) {
    const openssl_errors_dropped errors;
    const authority_keyid_ptr authority{
        static_cast<AUTHORITY_KEYID*>(X509_get_ext_d2i(cert, NID_authority_key_identifier, nullptr, nullptr))};
    const ASN1_OCTET_STRING* key_id = authority ? authority->keyid : nullptr;
    if (!key_id || ASN1_STRING_length(key_id) == 0)
        throw error{
            errc::invalid_certificate,
            "the certificate does not say which key issued it (authority key identifier), so no CA has renewal "
            "information about it (RFC 9773, section 4.1)"};
    const bytes_view issuer{ASN1_STRING_get0_data(key_id), static_cast<std::size_t>(ASN1_STRING_length(key_id))};
    return base64url_encode(issuer) + "." + encode_serial(cert);
}

}  // namespace evercert
