#include "testing/validation_checks.hpp"

#include <algorithm>
#include <array>

#include <asio/ip/address.hpp>

#include "crypto/encoding.hpp"
#include "crypto/openssl.hpp"
#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

std::string_view without_trailing_space(std::string_view text) {
    return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

bool equal_without_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::string_view view_of(const ASN1_STRING* text) {
    return {
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<std::size_t>(ASN1_STRING_length(text))};
}

/// The address as a subject alternative name has it.
std::string address_bytes(const identifier& name) {
    const auto address = asio::ip::make_address(name.value());
    if (address.is_v4()) {
        const auto raw = address.to_v4().to_bytes();
        return {raw.begin(), raw.end()};
    }
    const auto raw = address.to_v6().to_bytes();
    return {raw.begin(), raw.end()};
}

bool is_only_name(X509* presented, const identifier& name) {
    // Null as well where the extension is there twice.
    const general_names_ptr names{
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(presented, NID_subject_alt_name, nullptr, nullptr))};
    if (!names || sk_GENERAL_NAME_num(names.get()) != 1)
        return false;
    const auto* only = sk_GENERAL_NAME_value(names.get(), 0);
    if (name.type() == identifier::kind::ip)
        return only->type == GEN_IPADD && view_of(only->d.iPAddress) == address_bytes(name);
    return only->type == GEN_DNS && equal_without_case(view_of(only->d.dNSName), name.value());
}

bool is_self_signed(X509* presented) {
    const openssl_errors_dropped quiet;
    return X509_NAME_cmp(X509_get_subject_name(presented), X509_get_issuer_name(presented)) == 0 &&
        X509_verify(presented, X509_get0_pubkey(presented)) == 1;
}

/// The one extension of that kind, if it is critical; else null.
const X509_EXTENSION* find_acme_identifier(X509* presented) {
    const asn1_object_ptr kind{OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1)};
    const int at = X509_get_ext_by_OBJ(presented, kind.get(), -1);
    if (at < 0 || X509_get_ext_by_OBJ(presented, kind.get(), at) >= 0)
        return nullptr;
    auto* found = X509_get_ext(presented, at);
    return X509_EXTENSION_get_critical(found) ? found : nullptr;
}

bool has_digest(const X509_EXTENSION* extension, std::string_view key_authorization) {
    const auto digest = sha256(as_bytes(key_authorization));
    // An OCTET STRING of 32 bytes in DER, inside the OCTET STRING that every extension is.
    std::string expected{"\x04\x20"};
    expected.append(digest.begin(), digest.end());
    return view_of(X509_EXTENSION_get_data(const_cast<X509_EXTENSION*>(extension))) == expected;
}

problem incorrect(std::string detail) { return acme_problem(403, "incorrectResponse", std::move(detail)); }

}  // namespace

std::optional<problem> check_http_01(const response& answer, std::string_view key_authorization) {
    if (answer.status != 200)
        return acme_problem(
            403, "unauthorized", "the answer's status is " + std::to_string(answer.status) + ", not 200");
    if (without_trailing_space(answer.body) != key_authorization)
        return incorrect(
            "the answer is " + quoted(answer.body) + ", not the key authorization " + std::string{key_authorization});
    return {};
}

std::optional<problem> check_tls_alpn_01(
    X509* presented, std::string_view alpn_protocol, const identifier& name, std::string_view key_authorization) {
    if (alpn_protocol != "acme-tls/1")
        return acme_problem(403, "tls", "the server did not agree on acme-tls/1");
    if (!presented)
        return acme_problem(403, "tls", "the server presented no certificate");
    if (!is_self_signed(presented))
        return incorrect("the certificate is not self-signed");
    if (!is_only_name(presented, name))
        return incorrect("the certificate's only name is not " + name.value());
    const auto* extension = find_acme_identifier(presented);
    if (!extension)
        return incorrect("the certificate has no acmeIdentifier extension that is critical");
    if (!has_digest(extension, key_authorization))
        return incorrect("the acmeIdentifier extension is not the key authorization's digest");
    return {};
}

problem to_validation_problem(const std::error_code& code, const std::string& text) {
    std::string_view type = "connection";
    if (code == errc::resolve_failed)
        type = "dns";
    else if (code == errc::tls_failed || code == errc::peer_untrusted)
        type = "tls";
    else if (code == errc::http_malformed || code == errc::body_too_large)
        type = "incorrectResponse";
    return acme_problem(403, type, text);
}

}  // namespace evercert::testing
