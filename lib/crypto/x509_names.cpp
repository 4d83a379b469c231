#include "crypto/x509_names.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>

namespace evercert {

namespace {

bytes_view content(const ASN1_STRING* text) {
    return {ASN1_STRING_get0_data(text), static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::optional<identifier> dns_identifier(const ASN1_STRING* name) {
    const bytes_view raw = content(name);
    // "good.test\0.evil.test" would be read as good.test by whoever takes it for a C string.
    if (std::ranges::any_of(raw, [](unsigned char c) { return c <= 0x20 || c >= 0x7f; }))
        throw error{errc::invalid_certificate, "a DNS name in the certificate has characters that names do not have"};
    return identifier::parse({reinterpret_cast<const char*>(raw.data()), raw.size()});
}

std::optional<identifier> ip_identifier(const ASN1_OCTET_STRING* address) {
    const bytes_view raw = content(address);
    if (raw.size() != 4 && raw.size() != 16)
        throw error{errc::invalid_certificate, "an IP address in the certificate has neither 4 nor 16 bytes"};
    std::array<char, INET6_ADDRSTRLEN> text;
    if (!inet_ntop(raw.size() == 4 ? AF_INET : AF_INET6, raw.data(), text.data(), text.size()))
        return {};
    return identifier::parse(text.data());
}

general_name_ptr to_general_name(const identifier& name) {
    general_name_ptr result{GENERAL_NAME_new()};
    if (!result)
        return nullptr;
    if (name.type() == identifier::kind::ip) {
        auto* address = a2i_IPADDRESS(name.value().c_str());
        GENERAL_NAME_set0_value(result.get(), GEN_IPADD, address);
        return address ? std::move(result) : nullptr;
    }
    auto* text = ASN1_IA5STRING_new();
    if (!text || ASN1_STRING_set(text, name.value().data(), static_cast<int>(name.value().size())) != 1) {
        ASN1_IA5STRING_free(text);
        return nullptr;
    }
    GENERAL_NAME_set0_value(result.get(), GEN_DNS, text);
    return result;
}

std::string in_utf8(const ASN1_STRING* text) {
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, text);
    const openssl_memory_ptr owner{utf8};
    if (size < 0)
        return {};
    return {reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size)};
}

}  // namespace

general_names_ptr to_general_names(const std::vector<identifier>& names) {
    general_names_ptr list{GENERAL_NAMES_new()};
    for (const identifier& name : names) {
        general_name_ptr entry = to_general_name(name);
        if (!list || !entry || sk_GENERAL_NAME_push(list.get(), entry.get()) <= 0)
            throw openssl_error(errc::invalid_certificate, "cannot encode the names");
        entry.release();
    }
    return list;
}

std::vector<identifier> from_general_names(const GENERAL_NAMES* list) {
    std::vector<identifier> names;
    for (int i = 0; i < sk_GENERAL_NAME_num(list); ++i) {
        int type = -1;
        const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list, i), &type);
        std::optional<identifier> name;
        if (type == GEN_DNS)
            name = dns_identifier(static_cast<const ASN1_STRING*>(value));
        else if (type == GEN_IPADD)
            name = ip_identifier(static_cast<const ASN1_OCTET_STRING*>(value));
        if (name)
            names.push_back(std::move(*name));
    }
    return names;
}

std::string readable_name(const X509_NAME* name) {
    const openssl_errors_dropped errors;
    const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at >= 0)
        return in_utf8(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    const bio_ptr out{BIO_new(BIO_s_mem())};
    if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0)
        return {};
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

}  // namespace evercert
