#include "crypto/packed_key.hpp"

#include <algorithm>
#include <array>

#include <openssl/core_names.h>

#include "crypto/openssl.hpp"

namespace evercert {

namespace {

using namespace std::string_view_literals;

/// PKCS#8 of an elliptic curve key as OpenSSL writes it (RFC 5208 around RFC 5915): head, number, middle, point.
struct ec_form {
    const char* group;
    std::size_t number;
    std::size_t point;
    std::string_view head;
    std::string_view middle;

    std::size_t size() const { return head.size() + number + middle.size() + point; }
};

constexpr std::array ec_forms{
    ec_form{
        "P-256", 32, 65,
        "\x30\x81\x87\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
        "\x04\x6d\x30\x6b\x02\x01\x01\x04\x20"sv,
        "\xa1\x44\x03\x42\x00"sv},
    ec_form{
        "P-384", 48, 97,
        "\x30\x81\xb6\x02\x01\x00\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22"
        "\x04\x81\x9e\x30\x81\x9b\x02\x01\x01\x04\x30"sv,
        "\xa1\x64\x03\x62\x00"sv}};

bool has_at(bytes_view data, std::size_t at, std::string_view part) {
    return std::ranges::equal(data.subspan(at, part.size()), as_bytes(part));
}

const ec_form& form_of(const packed_key& key) {
    const auto form = std::ranges::find(ec_forms, key.secret.size(), &ec_form::number);
    if (form == ec_forms.end())
        throw error{errc::invalid_key, "the private key has a length that no supported key has"};
    return *form;
}

bool halves_match(EVP_PKEY* key) {
    const evp_pkey_ctx_ptr ctx{EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr)};
    return ctx && EVP_PKEY_pairwise_check(ctx.get()) == 1;
}

/// 15 µs, where OpenSSL's decoders take 100 to 500.
evp_pkey_ptr make_ec_key(const ec_form& form, bytes_view number, bytes_view point) {
    std::array<unsigned char, 48> native;
    const bn_ptr secret{BN_secure_new()};
    const evp_pkey_ctx_ptr ctx{EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)};
    if (!secret || !ctx || !BN_bin2bn(number.data(), static_cast<int>(number.size()), secret.get()) ||
        BN_bn2nativepad(secret.get(), native.data(), static_cast<int>(number.size())) < 0)
        return nullptr;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(form.group), 0),
        OSSL_PARAM_construct_octet_string(
            OSSL_PKEY_PARAM_PUB_KEY, const_cast<unsigned char*>(point.data()), point.size()),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native.data(), number.size()), OSSL_PARAM_construct_end()};
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata_init(ctx.get()) == 1)
        EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_KEYPAIR, parameters);
    OPENSSL_cleanse(native.data(), native.size());
    return evp_pkey_ptr{key};
}

}  // namespace

packed_key pack_key(bytes_view pkcs8, bytes_view certificate) {
    const packed_key whole{pkcs8};
    const auto form = std::ranges::find(ec_forms, pkcs8.size(), &ec_form::size);
    if (form == ec_forms.end() || !has_at(pkcs8, 0, form->head) ||
        !has_at(pkcs8, form->head.size() + form->number, form->middle))
        return whole;
    const auto point = std::ranges::search(certificate, pkcs8.last(form->point));
    if (point.empty() || point.begin() == certificate.begin())
        return whole;
    return {
        pkcs8.subspan(form->head.size(), form->number),
        static_cast<std::uint32_t>(point.begin() - certificate.begin())};
}

bytes unpack_key(const packed_key& key, bytes_view certificate) {
    if (key.public_at == 0)
        return {key.secret.begin(), key.secret.end()};
    const ec_form& form = form_of(key);
    bytes pkcs8;
    pkcs8.reserve(form.size());
    const auto append = [&pkcs8](bytes_view part) { pkcs8.insert(pkcs8.end(), part.begin(), part.end()); };
    append(as_bytes(form.head));
    append(key.secret);
    append(as_bytes(form.middle));
    append(certificate.subspan(key.public_at, form.point));
    return pkcs8;
}

private_key parse_key(const packed_key& key, bytes_view certificate) {
    if (key.public_at == 0)
        return private_key::from_der(key.secret);
    const ec_form& form = form_of(key);
    evp_pkey_ptr parsed = make_ec_key(form, key.secret, certificate.subspan(key.public_at, form.point));
    if (!parsed)
        throw openssl_error(errc::invalid_key, "the private key cannot be read");
    const openssl_errors_dropped errors;
    if (!halves_match(parsed.get()))
        throw error{
            errc::invalid_key, "the private key is damaged: its public half does not belong to its private half"};
    return private_key{parsed.release()};
}

}  // namespace evercert
