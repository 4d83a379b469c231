#include "crypto/der_look.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace evercert {
namespace {

using namespace std::string_view_literals;

constexpr unsigned char integer = 0x02, octet_string = 0x04, object = 0x06, sequence = 0x30;

/// The content of the element of this tag that `rest` begins with, which is taken off.
std::optional<bytes_view> take(bytes_view& rest, unsigned char tag) {
    if (rest.size() < 2 || rest[0] != tag)
        return std::nullopt;
    std::size_t length = rest[1], head = 2;
    if (length >= 0x80) {
        const std::size_t digits = length - 0x80;
        // What is longer than 4 bytes can say is not here.
        if (digits == 0 || digits > 4 || rest.size() < head + digits)
            return std::nullopt;
        length = 0;
        for (; head < 2 + digits; ++head)
            length = length << 8 | rest[head];
    }
    if (rest.size() - head < length)
        return std::nullopt;
    const auto content = rest.subspan(head, length);
    rest = rest.subspan(head + length);
    return content;
}

bool is(bytes_view content, std::string_view oid) { return std::ranges::equal(content, as_bytes(oid)); }

std::optional<key_type> rsa_of(bytes_view key) {
    auto fields = take(key, sequence);
    if (!fields || !take(*fields, integer))
        return std::nullopt;
    const auto modulus = take(*fields, integer);
    if (!modulus)
        return std::nullopt;
    // One byte more keeps it positive.
    switch (modulus->size()) {
    case 257: return key_type::rsa_2048;
    case 385: return key_type::rsa_3072;
    case 513: return key_type::rsa_4096;
    default: return std::nullopt;
    }
}

}  // namespace

std::optional<key_type> look_at_key(bytes_view pkcs8) {
    auto fields = take(pkcs8, sequence);
    if (!fields || !take(*fields, integer))
        return std::nullopt;
    auto algorithm = take(*fields, sequence);
    const auto name = algorithm ? take(*algorithm, object) : std::nullopt;
    const auto key = take(*fields, octet_string);
    if (!name || !key)
        return std::nullopt;
    if (is(*name, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv))  // rsaEncryption
        return rsa_of(*key);
    if (is(*name, "\x2b\x65\x70"sv))  // Ed25519 (RFC 8410)
        return key_type::ed25519;
    const auto curve = is(*name, "\x2a\x86\x48\xce\x3d\x02\x01"sv) ? take(*algorithm, object) : std::nullopt;
    if (curve && is(*curve, "\x2a\x86\x48\xce\x3d\x03\x01\x07"sv))
        return key_type::ec_p256;
    if (curve && is(*curve, "\x2b\x81\x04\x00\x22"sv))
        return key_type::ec_p384;
    return std::nullopt;
}

std::optional<signature_scheme> look_at_signature(bytes_view certificate) {
    using enum signature_scheme;
    static constexpr std::pair<std::string_view, signature_scheme> known[] = {
        {"\x2a\x86\x48\xce\x3d\x04\x03\x02"sv, ecdsa_secp256r1_sha256},
        {"\x2a\x86\x48\xce\x3d\x04\x03\x03"sv, ecdsa_secp384r1_sha384},
        {"\x2a\x86\x48\xce\x3d\x04\x03\x04"sv, ecdsa_secp521r1_sha512},
        {"\x2a\x86\x48\xce\x3d\x04\x01"sv, ecdsa_sha1},
        {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"sv, rsa_pkcs1_sha256},
        {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"sv, rsa_pkcs1_sha384},
        {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"sv, rsa_pkcs1_sha512},
        {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"sv, rsa_pkcs1_sha1},
        {"\x2b\x65\x70"sv, ed25519}};
    auto fields = take(certificate, sequence);
    if (!fields || !take(*fields, sequence))
        return std::nullopt;
    auto algorithm = take(*fields, sequence);
    const auto name = algorithm ? take(*algorithm, object) : std::nullopt;
    if (!name)
        return std::nullopt;
    const auto at = std::ranges::find_if(known, [&](const auto& one) { return is(*name, one.first); });
    return at == std::end(known) ? std::nullopt : std::optional{at->second};
}

}  // namespace evercert
