#include "crypto/x509_builder.hpp"

#include "crypto/key_type.hpp"
#include "crypto/x509_names.hpp"
#include "crypto/x509_time.hpp"

namespace evercert {

namespace {

constexpr int serial_bits = 128;

void require(bool done) {
    if (!done)
        throw openssl_error(errc::invalid_certificate, "cannot make a certificate");
}

}  // namespace

x509_builder::x509_builder() : cert_{X509_new()} {
    require(cert_ && X509_set_version(cert_.get(), X509_VERSION_3) == 1);
}

x509_builder& x509_builder::validity(wall_time not_before, wall_time not_after) {
    require(
        X509_set1_notBefore(cert_.get(), to_asn1_time(not_before).get()) == 1 &&
        X509_set1_notAfter(cert_.get(), to_asn1_time(not_after).get()) == 1);
    return *this;
}

x509_builder& x509_builder::key(EVP_PKEY* key) {
    require(X509_set_pubkey(cert_.get(), key) == 1);
    return *this;
}

x509_builder& x509_builder::serial(bytes_view given) {
    const bn_ptr number{given.empty() ? BN_new() : BN_bin2bn(given.data(), static_cast<int>(given.size()), nullptr)};
    require(number != nullptr);
    if (given.empty())
        require(BN_rand(number.get(), serial_bits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1);
    require(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(cert_.get())) != nullptr);
    return *this;
}

x509_builder& x509_builder::common_name(std::string_view name) {
    const x509_name_ptr subject{X509_NAME_new()};
    require(
        subject &&
        X509_NAME_add_entry_by_NID(
            subject.get(), NID_commonName, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.data()),
            static_cast<int>(name.size()), -1, 0) == 1 &&
        X509_set_subject_name(cert_.get(), subject.get()) == 1);
    return *this;
}

x509_builder& x509_builder::names(const std::vector<identifier>& names, bool critical) {
    require(
        X509_add1_ext_i2d(
            cert_.get(), NID_subject_alt_name, to_general_names(names).get(), critical, X509V3_ADD_DEFAULT) == 1);
    return *this;
}

x509_builder& x509_builder::issued_by(X509* issuer) {
    issuer_ = issuer;
    require(X509_set_issuer_name(cert_.get(), X509_get_subject_name(issuer)) == 1);
    return extension(NID_authority_key_identifier, "keyid:always");
}

x509_builder& x509_builder::self_issued() {
    issuer_ = cert_.get();
    require(X509_set_issuer_name(cert_.get(), X509_get_subject_name(cert_.get())) == 1);
    return *this;
}

x509_builder& x509_builder::extension(int nid, const char* value) {
    X509V3_CTX ctx{};
    X509V3_set_ctx(&ctx, issuer_, cert_.get(), nullptr, nullptr, 0);
    const x509_extension_ptr made{X509V3_EXT_conf_nid(nullptr, &ctx, nid, value)};
    require(made && X509_add_ext(cert_.get(), made.get(), -1) == 1);
    return *this;
}

x509_builder& x509_builder::extension(const char* oid, bytes_view value, bool critical) {
    const asn1_object_ptr object{OBJ_txt2obj(oid, 1)};
    const asn1_octet_string_ptr octets{ASN1_OCTET_STRING_new()};
    require(object && octets && ASN1_OCTET_STRING_set(octets.get(), value.data(), static_cast<int>(value.size())) == 1);
    const x509_extension_ptr made{X509_EXTENSION_create_by_OBJ(nullptr, object.get(), critical, octets.get())};
    require(made && X509_add_ext(cert_.get(), made.get(), -1) == 1);
    return *this;
}

x509_ptr x509_builder::sign(const private_key& key) {
    require(X509_sign(cert_.get(), key.native_handle(), signature_digest(key.type())) > 0);
    issuer_ = nullptr;
    return std::move(cert_);
}

}  // namespace evercert
