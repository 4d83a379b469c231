#include "crypto/issue.hpp"

#include <evercert/error.hpp>

#include "crypto/openssl.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_builder.hpp"

namespace evercert {

namespace {

// RFC 5280, section 4.1.2.2.
constexpr std::size_t serial_size_max = 20;

std::string to_pem(const X509* cert) { return write_pem("CERTIFICATE", encode_der(i2d_X509, cert)); }

bool is_self_issued(const X509* cert) {
    return X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
}

/// What a server sends after a certificate of this issuer: all but the root.
std::string chain_of(const certificate& issuer) {
    std::string chain;
    if (!is_self_issued(issuer.native_handle()))
        chain += to_pem(issuer.native_handle());
    for (int i = 0; i < sk_X509_num(issuer.native_chain()); ++i) {
        const X509* next = sk_X509_value(issuer.native_chain(), i);
        if (!is_self_issued(next))
            chain += to_pem(next);
    }
    return chain;
}

x509_builder begin_ca(std::string_view name, const private_key& key, const validity& valid) {
    x509_builder builder;
    builder.serial({}).validity(valid.not_before, valid.not_after);
    builder.key(key.native_handle()).common_name(name);
    builder.extension(NID_key_usage, "critical,keyCertSign,cRLSign");
    builder.extension(NID_subject_key_identifier, "hash");
    return builder;
}

/// An RSA key is also used to receive the session key in TLS 1.2 (RFC 5246, section 7.4.2).
const char* server_key_usage(key_type type) {
    switch (type) {
    case key_type::rsa_2048:
    case key_type::rsa_3072:
    case key_type::rsa_4096: return "critical,digitalSignature,keyEncipherment";
    default: return "critical,digitalSignature";
    }
}

}  // namespace

certificate make_root(std::string_view name, const private_key& key, const validity& valid) {
    x509_builder builder = begin_ca(name, key, valid);
    builder.extension(NID_basic_constraints, "critical,CA:TRUE").self_issued();
    return {to_pem(builder.sign(key).get()), key};
}

certificate make_intermediate(
    std::string_view name, const private_key& key, const validity& valid, const certificate& issuer) {
    x509_builder builder = begin_ca(name, key, valid);
    builder.extension(NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    builder.issued_by(issuer.native_handle());
    return {to_pem(builder.sign(issuer.key()).get()) + chain_of(issuer), key};
}

std::string issue(const certificate_request& request, const certificate& issuer) {
    if (request.names.empty())
        throw error{errc::invalid_options, "a certificate needs at least one name"};
    if (request.serial.size() > serial_size_max)
        throw error{errc::invalid_options, "a serial number has at most 20 bytes"};
    x509_builder builder;
    builder.serial(request.serial).validity(request.valid.not_before, request.valid.not_after);
    builder.key(request.key.native_handle());
    builder.extension(NID_basic_constraints, "critical,CA:FALSE");
    builder.extension(NID_key_usage, server_key_usage(request.key.type()));
    builder.extension(NID_ext_key_usage, "serverAuth");
    builder.extension(NID_subject_key_identifier, "hash");
    builder.issued_by(issuer.native_handle()).names(request.names, true);
    return to_pem(builder.sign(issuer.key()).get()) + chain_of(issuer);
}

}  // namespace evercert
