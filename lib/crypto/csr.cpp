#include "crypto/csr.hpp"

#include <algorithm>

#include <evercert/csr.hpp>
#include <evercert/error.hpp>

#include "crypto/key_type.hpp"
#include "crypto/openssl.hpp"
#include "crypto/x509_names.hpp"

namespace evercert {

namespace {

std::vector<identifier> each_once(const std::vector<identifier>& names) {
    std::vector<identifier> unique;
    for (const identifier& name : names) {
        if (std::ranges::find(unique, name) == unique.end())
            unique.push_back(name);
    }
    return unique;
}

x509_extensions_ptr name_extensions(const std::vector<identifier>& names) {
    STACK_OF(X509_EXTENSION)* extensions = nullptr;
    const bool added =
        X509V3_add1_i2d(
            &extensions, NID_subject_alt_name, to_general_names(each_once(names)).get(), 0, X509V3_ADD_DEFAULT) == 1;
    x509_extensions_ptr owner{extensions};
    if (!added)
        throw openssl_error(errc::invalid_options, "cannot encode the names of the CSR");
    return owner;
}

/// RFC 8555, section 7.4: a name may be requested as the subject's common name too.
std::optional<identifier> subject_name(const X509_REQ* request) {
    const X509_NAME* subject = X509_REQ_get_subject_name(request);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return {};
    return identifier{readable_name(subject)};
}

std::vector<identifier> requested_names(X509_REQ* request) {
    std::vector<identifier> names;
    const x509_extensions_ptr extensions{X509_REQ_get_extensions(request)};
    const general_names_ptr list{
        static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr))};
    if (list)
        names = from_general_names(list.get());
    if (auto name = subject_name(request))
        names.push_back(std::move(*name));
    return each_once(names);
}

}  // namespace

std::vector<unsigned char> make_csr(const private_key& key, const std::vector<identifier>& names) {
    if (names.empty())
        throw error{errc::invalid_options, "a CSR needs at least one name"};
    const x509_extensions_ptr extensions = name_extensions(names);
    const x509_req_ptr request{X509_REQ_new()};
    if (!request || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
        X509_REQ_set_pubkey(request.get(), key.native_handle()) != 1 ||
        X509_REQ_add_extensions(request.get(), extensions.get()) != 1 ||
        X509_REQ_sign(request.get(), key.native_handle(), signature_digest(key.type())) <= 0)
        throw openssl_error(errc::invalid_key, "cannot make a CSR");
    return encode_der(i2d_X509_REQ, static_cast<const X509_REQ*>(request.get()));
}

parsed_csr parse_csr(bytes_view der) {
    const auto request = decode_der<x509_req_ptr>(d2i_X509_REQ, der);
    if (!request)
        throw openssl_error(errc::invalid_certificate, "the CSR cannot be parsed");
    EVP_PKEY* key = X509_REQ_get_pubkey(request.get());
    if (!key)
        throw openssl_error(errc::invalid_key, "the public key of the CSR cannot be read");
    public_key requester{key};
    if (X509_REQ_verify(request.get(), requester.native_handle()) != 1)
        throw openssl_error(errc::invalid_certificate, "the CSR is not signed by the key that it is for");
    return {std::move(requester), requested_names(request.get())};
}

}  // namespace evercert
