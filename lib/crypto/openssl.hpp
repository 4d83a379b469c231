#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <evercert/error.hpp>

#include "crypto/encoding.hpp"

namespace evercert {

template <auto Free>
struct openssl_free {
    void operator()(auto* object) const noexcept { Free(object); }
};

struct openssl_free_stack {
    void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_pop_free(stack, X509_free); }
    void operator()(STACK_OF(X509_EXTENSION) * stack) const noexcept {
        sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
    }
};

struct openssl_free_memory {
    void operator()(void* memory) const noexcept { OPENSSL_free(memory); }
};

using asn1_object_ptr = std::unique_ptr<ASN1_OBJECT, openssl_free<ASN1_OBJECT_free>>;
using asn1_octet_string_ptr = std::unique_ptr<ASN1_OCTET_STRING, openssl_free<ASN1_OCTET_STRING_free>>;
using asn1_time_ptr = std::unique_ptr<ASN1_TIME, openssl_free<ASN1_TIME_free>>;
using bio_ptr = std::unique_ptr<BIO, openssl_free<BIO_free>>;
using bn_ptr = std::unique_ptr<BIGNUM, openssl_free<BN_clear_free>>;
using ecdsa_sig_ptr = std::unique_ptr<ECDSA_SIG, openssl_free<ECDSA_SIG_free>>;
using evp_md_ctx_ptr = std::unique_ptr<EVP_MD_CTX, openssl_free<EVP_MD_CTX_free>>;
using evp_pkey_ptr = std::unique_ptr<EVP_PKEY, openssl_free<EVP_PKEY_free>>;
using evp_pkey_ctx_ptr = std::unique_ptr<EVP_PKEY_CTX, openssl_free<EVP_PKEY_CTX_free>>;
using general_name_ptr = std::unique_ptr<GENERAL_NAME, openssl_free<GENERAL_NAME_free>>;
using general_names_ptr = std::unique_ptr<GENERAL_NAMES, openssl_free<GENERAL_NAMES_free>>;
using openssl_memory_ptr = std::unique_ptr<unsigned char, openssl_free_memory>;
using ossl_param_ptr = std::unique_ptr<OSSL_PARAM, openssl_free<OSSL_PARAM_free>>;
using ossl_param_bld_ptr = std::unique_ptr<OSSL_PARAM_BLD, openssl_free<OSSL_PARAM_BLD_free>>;
using pkcs8_ptr = std::unique_ptr<PKCS8_PRIV_KEY_INFO, openssl_free<PKCS8_PRIV_KEY_INFO_free>>;
using x509_ptr = std::unique_ptr<X509, openssl_free<X509_free>>;
using x509_extension_ptr = std::unique_ptr<X509_EXTENSION, openssl_free<X509_EXTENSION_free>>;
using x509_extensions_ptr = std::unique_ptr<STACK_OF(X509_EXTENSION), openssl_free_stack>;
using x509_name_ptr = std::unique_ptr<X509_NAME, openssl_free<X509_NAME_free>>;
using x509_req_ptr = std::unique_ptr<X509_REQ, openssl_free<X509_REQ_free>>;
using x509_stack_ptr = std::unique_ptr<STACK_OF(X509), openssl_free_stack>;
using x509_store_ptr = std::unique_ptr<X509_STORE, openssl_free<X509_STORE_free>>;
using x509_store_ctx_ptr = std::unique_ptr<X509_STORE_CTX, openssl_free<X509_STORE_CTX_free>>;

/// "what: reason" from OpenSSL's error queue of this thread, which is empty afterwards: what stays in it would be
/// taken for an error of the next TLS operation on this thread.
error openssl_error(errc code, std::string_view what);

/// For calls whose failure is an answer: the error queue is afterwards as it was before.
class openssl_errors_dropped {
public:
    openssl_errors_dropped() { ERR_set_mark(); }
    ~openssl_errors_dropped() { ERR_pop_to_mark(); }
    openssl_errors_dropped(const openssl_errors_dropped&) = delete;
    openssl_errors_dropped& operator=(const openssl_errors_dropped&) = delete;
};

/// `i2d` for any type, as bytes: `to_der(i2d_X509, cert)`.
template <class Object>
bytes encode_der(int (*i2d)(const Object*, unsigned char**), const Object* object) {
    unsigned char* der = nullptr;
    const int size = i2d(object, &der);
    const openssl_memory_ptr owner{der};
    if (size < 0)
        throw openssl_error(errc::invalid_certificate, "cannot encode as DER");
    return {der, der + size};
}

/// `d2i` for any type. Null if `der` is not exactly one object.
template <class Owner, class Object>
Owner decode_der(Object* (*d2i)(Object**, const unsigned char**, long), bytes_view der) {
    const unsigned char* next = der.data();
    Owner object{d2i(nullptr, &next, static_cast<long>(der.size()))};
    if (next != der.data() + der.size())
        return nullptr;
    return object;
}

}  // namespace evercert
