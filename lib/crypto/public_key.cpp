#include "crypto/public_key.hpp"

#include <array>

#include <boost/json/serialize.hpp>
#include <openssl/core_names.h>

#include "crypto/key_type.hpp"
#include "crypto/openssl.hpp"
#include "crypto/signature.hpp"

namespace evercert {

namespace {

struct curve {
    const char* jwk_name;
    const char* group;
    int coordinate_size;
};

constexpr curve p256{"P-256", SN_X9_62_prime256v1, 32};
constexpr curve p384{"P-384", SN_secp384r1, 48};

constexpr std::size_t ed25519_size = 32;
// `key_type` ends there; a longer modulus only costs time.
constexpr std::size_t rsa_modulus_max = 4096 / 8;
// RFC 8017 allows more, but OpenSSL refuses more than 64 bits for long moduli, and all CAs do.
constexpr std::size_t rsa_exponent_max = 8;

[[noreturn]] void fail(std::string_view reason) {
    throw error{errc::invalid_key, "the JWK is not usable: " + std::string{reason}};
}

std::string_view text_member(const boost::json::object& jwk, const char* name) {
    const auto* value = jwk.if_contains(name);
    if (!value || !value->is_string())
        fail(std::string{"its member \""} + name + "\" is missing or not a string");
    return std::string_view{value->get_string().data(), value->get_string().size()};
}

bytes binary_member(const boost::json::object& jwk, const char* name) {
    auto decoded = base64url_decode(text_member(jwk, name));
    if (!decoded)
        fail(std::string{"its member \""} + name + "\" is not base64url");
    return std::move(*decoded);
}

evp_pkey_ptr from_parameters(const char* type, OSSL_PARAM_BLD* builder) {
    const ossl_param_ptr parameters{OSSL_PARAM_BLD_to_param(builder)};
    const evp_pkey_ctx_ptr ctx{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
    EVP_PKEY* key = nullptr;
    if (!parameters || !ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
        EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
        return nullptr;
    return evp_pkey_ptr{key};
}

evp_pkey_ptr ec_from_jwk(const boost::json::object& jwk) {
    const std::string_view name = text_member(jwk, "crv");
    const curve* found = name == p256.jwk_name ? &p256 : name == p384.jwk_name ? &p384 : nullptr;
    if (!found)
        fail("the curve is neither P-256 nor P-384");
    const bytes x = binary_member(jwk, "x");
    const bytes y = binary_member(jwk, "y");
    const auto size = static_cast<std::size_t>(found->coordinate_size);
    // RFC 7518, section 6.2.1.2: the full size, leading zeros included.
    if (x.size() != size || y.size() != size)
        fail("a coordinate does not have the size of the curve");
    bytes point{POINT_CONVERSION_UNCOMPRESSED};
    point.insert(point.end(), x.begin(), x.end());
    point.insert(point.end(), y.begin(), y.end());

    const ossl_param_bld_ptr builder{OSSL_PARAM_BLD_new()};
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, found->group, 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
    return from_parameters("EC", builder.get());
}

evp_pkey_ptr rsa_from_jwk(const boost::json::object& jwk) {
    const bytes n = binary_member(jwk, "n");
    const bytes e = binary_member(jwk, "e");
    if (n.size() > rsa_modulus_max || e.size() > rsa_exponent_max)
        fail("the modulus or the exponent is too long");
    // RFC 7518, section 6.3.1 and RFC 8017, section 3.1.
    if (n.empty() || e.empty() || n.front() == 0 || e.front() == 0 || n.back() % 2 == 0 || e.back() % 2 == 0 ||
        (e.size() == 1 && e.front() == 1))
        fail("the modulus or the exponent is not one of RSA");
    const bn_ptr modulus{BN_bin2bn(n.data(), static_cast<int>(n.size()), nullptr)};
    const bn_ptr exponent{BN_bin2bn(e.data(), static_cast<int>(e.size()), nullptr)};

    const ossl_param_bld_ptr builder{OSSL_PARAM_BLD_new()};
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
    return from_parameters("RSA", builder.get());
}

evp_pkey_ptr ed25519_from_jwk(const boost::json::object& jwk) {
    if (text_member(jwk, "crv") != "Ed25519")
        fail("the curve is not Ed25519");
    const bytes x = binary_member(jwk, "x");
    if (x.size() != ed25519_size)
        fail("\"x\" does not have 32 bytes");
    return evp_pkey_ptr{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, x.data(), x.size())};
}

std::string number(const EVP_PKEY* key, const char* parameter, int size = 0) {
    BIGNUM* value = nullptr;
    if (EVP_PKEY_get_bn_param(key, parameter, &value) != 1)
        throw openssl_error(errc::invalid_key, "the public key cannot be read");
    const bn_ptr owner{value};
    bytes data(static_cast<std::size_t>(size ? size : BN_num_bytes(value)));
    BN_bn2binpad(value, data.data(), static_cast<int>(data.size()));
    return base64url_encode(data);
}

boost::json::object ec_to_jwk(const EVP_PKEY* key, const curve& on) {
    return {
        {"crv", on.jwk_name},
        {"kty", "EC"},
        {"x", number(key, OSSL_PKEY_PARAM_EC_PUB_X, on.coordinate_size)},
        {"y", number(key, OSSL_PKEY_PARAM_EC_PUB_Y, on.coordinate_size)}};
}

boost::json::object ed25519_to_jwk(const EVP_PKEY* key) {
    std::array<unsigned char, ed25519_size> x;
    std::size_t size = x.size();
    if (EVP_PKEY_get_raw_public_key(key, x.data(), &size) != 1)
        throw openssl_error(errc::invalid_key, "the public key cannot be read");
    return {{"crv", "Ed25519"}, {"kty", "OKP"}, {"x", base64url_encode(x)}};
}

EVP_PKEY* shared_reference(EVP_PKEY* key) {
    EVP_PKEY_up_ref(key);
    return key;
}

}  // namespace

public_key::public_key(EVP_PKEY* adopted) : key_{adopted, EVP_PKEY_free}, type_{require_key_type(adopted)} {}

public_key::public_key(const private_key& key) : public_key{shared_reference(key.native_handle())} {}

public_key public_key::from_jwk(const boost::json::object& jwk) {
    const std::string_view kind = text_member(jwk, "kty");
    evp_pkey_ptr key;
    if (kind == "EC")
        key = ec_from_jwk(jwk);
    else if (kind == "RSA")
        key = rsa_from_jwk(jwk);
    else if (kind == "OKP")
        key = ed25519_from_jwk(jwk);
    else
        fail("\"kty\" is none of EC, RSA and OKP");

    if (!key)
        throw openssl_error(errc::invalid_key, "the JWK is not a public key");
    const evp_pkey_ctx_ptr check{EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr)};
    if (!check || EVP_PKEY_public_check_quick(check.get()) != 1)
        throw openssl_error(errc::invalid_key, "the JWK is not a valid public key");
    return public_key{key.release()};
}

std::string_view public_key::jws_algorithm() const noexcept {
    switch (type_) {
    case key_type::ec_p256: return "ES256";
    case key_type::ec_p384: return "ES384";
    case key_type::ed25519: return "EdDSA";
    default: return "RS256";
    }
}

boost::json::object public_key::to_jwk() const {
    switch (type_) {
    case key_type::ec_p256: return ec_to_jwk(key_.get(), p256);
    case key_type::ec_p384: return ec_to_jwk(key_.get(), p384);
    case key_type::ed25519: return ed25519_to_jwk(key_.get());
    default:
        return {
            {"e", number(key_.get(), OSSL_PKEY_PARAM_RSA_E)},
            {"kty", "RSA"},
            {"n", number(key_.get(), OSSL_PKEY_PARAM_RSA_N)}};
    }
}

std::string public_key::thumbprint() const {
    return base64url_encode(sha256(as_bytes(boost::json::serialize(to_jwk()))));
}

bool public_key::verify(std::string_view algorithm, std::string_view signing_input, bytes_view signature) const {
    if (algorithm != jws_algorithm())
        return false;
    const openssl_errors_dropped errors;
    const bytes native = from_jws_signature(type_, signature);
    if (native.empty())
        return false;
    const evp_md_ctx_ptr ctx{EVP_MD_CTX_new()};
    const bytes_view input = as_bytes(signing_input);
    return ctx && EVP_DigestVerifyInit(ctx.get(), nullptr, signature_digest(type_), nullptr, key_.get()) == 1 &&
        EVP_DigestVerify(ctx.get(), native.data(), native.size(), input.data(), input.size()) == 1;
}

}  // namespace evercert
