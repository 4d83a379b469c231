#include "crypto/certificate_id.hpp"

#include <algorithm>
#include <array>

namespace evercert {

namespace {

/// id-ce-authorityKeyIdentifier, 2.5.29.35 (RFC 5280, section 4.2.1.1).
constexpr std::array<unsigned char, 3> authority_key_identifier{0x55, 0x1d, 0x23};

struct der_element {
    int tag = -1;
    int object_class = 0;
    bytes_view content = {};

    bool is(int universal) const { return tag == universal && object_class == V_ASN1_UNIVERSAL; }
    bool is_context(int number) const { return tag == number && object_class == V_ASN1_CONTEXT_SPECIFIC; }
};

/// The elements of a DER structure, one after the other.
class der_reader {
public:
    explicit der_reader(bytes_view der) : rest_{der} {}

    /// One that is of no kind at the end, and at what is no DER.
    der_element next() {
        const unsigned char* content = rest_.data();
        long size = 0;
        der_element found;
        const int form =
            ASN1_get_object(&content, &size, &found.tag, &found.object_class, static_cast<long>(rest_.size()));
        // Bit 7: it does not fit. Bit 0: of indefinite length, which is BER.
        if ((form & 0x81) != 0)
            return {};
        const auto head = static_cast<std::size_t>(content - rest_.data());
        found.content = rest_.subspan(head, static_cast<std::size_t>(size));
        rest_ = rest_.subspan(head + found.content.size());
        return found;
    }
    bool ended() const { return rest_.empty(); }

private:
    bytes_view rest_;
};

/// Of the extensions' list; empty if there is none.
bytes_view find_key_id(bytes_view extensions) {
    for (der_reader list{extensions}; !list.ended();) {
        const auto extension = list.next();
        if (!extension.is(V_ASN1_SEQUENCE))
            return {};
        der_reader members{extension.content};
        if (!std::ranges::equal(members.next().content, authority_key_identifier))
            continue;
        auto value = members.next();
        if (value.is(V_ASN1_BOOLEAN))
            value = members.next();
        if (!value.is(V_ASN1_OCTET_STRING))
            return {};
        const auto key_id = der_reader{der_reader{value.content}.next().content}.next();
        return key_id.is_context(0) ? key_id.content : bytes_view{};
    }
    return {};
}

}  // namespace

std::optional<std::string> find_certificate_id(bytes_view der) {
    const openssl_errors_dropped errors;
    // RFC 5280, section 4.1: [0] the version, then the serial number; [3] the extensions, last.
    der_reader members{der_reader{der_reader{der}.next().content}.next().content};
    auto serial = members.next();
    if (serial.is_context(0))
        serial = members.next();
    if (!serial.is(V_ASN1_INTEGER) || serial.content.empty())
        return std::nullopt;
    auto last = members.next();
    while (!members.ended() && last.tag >= 0)
        last = members.next();
    if (!last.is_context(3))
        return std::nullopt;
    const auto key_id = find_key_id(der_reader{last.content}.next().content);
    if (key_id.empty())
        return std::nullopt;
    return base64url_encode(key_id) + "." + base64url_encode(serial.content);
}

std::string certificate_id(const X509* cert) {
    auto id = find_certificate_id(encode_der(i2d_X509, cert));
    if (!id)
        throw error{
            errc::invalid_certificate,
            "the certificate does not say which key issued it (authority key identifier), so no CA has renewal "
            "information about it (RFC 9773, section 4.1)"};
    return std::move(*id);
}

}  // namespace evercert
