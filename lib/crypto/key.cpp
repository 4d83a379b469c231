#include <array>
#include <optional>

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <evercert/error.hpp>
#include <evercert/key.hpp>

#include "crypto/key_type.hpp"
#include "crypto/openssl.hpp"
#include "crypto/pem.hpp"

namespace evercert {

namespace {

using decoder_ctx_ptr = std::unique_ptr<OSSL_DECODER_CTX, openssl_free<OSSL_DECODER_CTX_free>>;

constexpr std::string_view supported = "evercert takes P-256, P-384, RSA of 2048, 3072 or 4096 bits and Ed25519";

std::string_view group_name(const EVP_PKEY* key, std::array<char, 64>& buffer) {
    std::size_t size = 0;
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, buffer.data(), buffer.size(), &size) != 1)
        return {};
    return {buffer.data(), size};
}

std::string describe(const EVP_PKEY* key) {
    const char* name = EVP_PKEY_get0_type_name(key);
    return std::string{name ? name : "unknown"} + " with " + std::to_string(EVP_PKEY_get_bits(key)) + " bits";
}

/// The public half of a key file is data like any other: a signature that it verifies is the proof that both
/// halves belong together. (`EVP_PKEY_pairwise_check` tests the primes of RSA too, which takes up to seconds.)
bool halves_match(EVP_PKEY* key, key_type type) {
    static constexpr std::string_view message = "evercert";
    const EVP_MD* digest = signature_digest(type);
    const evp_md_ctx_ptr signer{EVP_MD_CTX_new()};
    const evp_md_ctx_ptr verifier{EVP_MD_CTX_new()};
    const bytes_view text = as_bytes(message);
    std::array<unsigned char, 4096 / 8> signature;
    std::size_t size = signature.size();
    return EVP_DigestSignInit(signer.get(), nullptr, digest, nullptr, key) == 1 &&
        EVP_DigestSign(signer.get(), signature.data(), &size, text.data(), text.size()) == 1 &&
        EVP_DigestVerifyInit(verifier.get(), nullptr, digest, nullptr, key) == 1 &&
        EVP_DigestVerify(verifier.get(), signature.data(), size, text.data(), text.size()) == 1;
}

private_key checked(evp_pkey_ptr key) {
    if (!key)
        throw openssl_error(errc::invalid_key, "the private key cannot be read");
    private_key result{key.release()};
    const openssl_errors_dropped errors;
    if (!halves_match(result.native_handle(), result.type()))
        throw error{
            errc::invalid_key, "the private key is damaged: its public half does not belong to its private half"};
    return result;
}

/// OpenSSL's name for the kind of key; null for those that evercert does not know.
const char* type_name(const PKCS8_PRIV_KEY_INFO* info) {
    const ASN1_OBJECT* algorithm = nullptr;
    PKCS8_pkey_get0(&algorithm, nullptr, nullptr, nullptr, info);
    switch (OBJ_obj2nid(algorithm)) {
    case NID_X9_62_id_ecPublicKey: return "EC";
    case NID_rsaEncryption: return "RSA";
    case NID_ED25519: return "ED25519";
    default: return nullptr;
    }
}

/// A decoder that is told what to expect takes 100 µs; one that tries all that it knows, 330.
evp_pkey_ptr decode_pkcs8(bytes_view der) {
    const auto info = decode_der<pkcs8_ptr>(d2i_PKCS8_PRIV_KEY_INFO, der);
    if (!info)
        return nullptr;
    const char* type = type_name(info.get());
    if (!type)
        return evp_pkey_ptr{EVP_PKCS82PKEY(info.get())};
    EVP_PKEY* key = nullptr;
    const decoder_ctx_ptr decoder{
        OSSL_DECODER_CTX_new_for_pkey(&key, "DER", "PrivateKeyInfo", type, EVP_PKEY_KEYPAIR, nullptr, nullptr)};
    const unsigned char* next = der.data();
    std::size_t left = der.size();
    if (decoder)
        OSSL_DECODER_from_data(decoder.get(), &next, &left);
    return evp_pkey_ptr{key};
}

evp_pkey_ptr decode_traditional(int type, bytes_view der) {
    const unsigned char* next = der.data();
    return evp_pkey_ptr{d2i_PrivateKey(type, nullptr, &next, static_cast<long>(der.size()))};
}

/// Not a key: null, for the file may hold certificates or EC parameters beside it.
std::optional<evp_pkey_ptr> decode_block(const pem_block& block) {
    if (block.encrypted || block.label == "ENCRYPTED PRIVATE KEY")
        throw error{errc::invalid_key, "the private key is encrypted; decrypt it first: openssl pkey -in KEY -out NEW"};
    if (block.label == "PRIVATE KEY")
        return decode_pkcs8(block.der);
    if (block.label == "EC PRIVATE KEY")
        return decode_traditional(EVP_PKEY_EC, block.der);
    if (block.label == "RSA PRIVATE KEY")
        return decode_traditional(EVP_PKEY_RSA, block.der);
    return {};
}

pkcs8_ptr to_pkcs8(const EVP_PKEY* key) {
    pkcs8_ptr info{EVP_PKEY2PKCS8(key)};
    if (!info)
        throw openssl_error(errc::invalid_key, "the private key cannot be encoded");
    return info;
}

}  // namespace

std::optional<key_type> find_key_type(const EVP_PKEY* key) {
    const openssl_errors_dropped errors;
    std::array<char, 64> buffer;
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC: {
        const std::string_view group = group_name(key, buffer);
        if (group == SN_X9_62_prime256v1 || group == "P-256")
            return key_type::ec_p256;
        if (group == SN_secp384r1 || group == "P-384")
            return key_type::ec_p384;
        return {};
    }
    case EVP_PKEY_RSA:
        switch (EVP_PKEY_get_bits(key)) {
        case 2048: return key_type::rsa_2048;
        case 3072: return key_type::rsa_3072;
        case 4096: return key_type::rsa_4096;
        default: return {};
        }
    case EVP_PKEY_ED25519: return key_type::ed25519;
    default: return {};
    }
}

key_type require_key_type(const EVP_PKEY* key) {
    if (!key)
        throw openssl_error(errc::invalid_key, "there is no key");
    const auto type = find_key_type(key);
    if (!type)
        throw error{
            errc::invalid_key, "a key of type " + describe(key) + " is not supported; " + std::string{supported}};
    return *type;
}

const EVP_MD* signature_digest(key_type type) {
    switch (type) {
    case key_type::ed25519: return nullptr;
    case key_type::ec_p384: return EVP_sha384();
    default: return EVP_sha256();
    }
}

std::string_view to_string(key_type type) noexcept {
    switch (type) {
    case key_type::ec_p256: return "P-256";
    case key_type::ec_p384: return "P-384";
    case key_type::rsa_2048: return "RSA 2048";
    case key_type::rsa_3072: return "RSA 3072";
    case key_type::rsa_4096: return "RSA 4096";
    case key_type::ed25519: return "Ed25519";
    }
    return "unknown";
}

private_key::private_key(EVP_PKEY* adopted) : key_{adopted, EVP_PKEY_free}, type_{require_key_type(adopted)} {}

private_key private_key::generate(key_type type) {
    EVP_PKEY* key = nullptr;
    switch (type) {
    case key_type::ec_p256: key = EVP_EC_gen("P-256"); break;
    case key_type::ec_p384: key = EVP_EC_gen("P-384"); break;
    case key_type::rsa_2048: key = EVP_RSA_gen(2048); break;
    case key_type::rsa_3072: key = EVP_RSA_gen(3072); break;
    case key_type::rsa_4096: key = EVP_RSA_gen(4096); break;
    case key_type::ed25519: key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"); break;
    }
    if (!key)
        throw openssl_error(errc::invalid_key, "a private key cannot be generated");
    return private_key{key};
}

private_key private_key::from_pem(std::string_view text) {
    auto blocks = read_pem(text, errc::invalid_key);
    std::optional<evp_pkey_ptr> found;
    for (pem_block& block : blocks) {
        auto key = decode_block(block);
        OPENSSL_cleanse(block.der.data(), block.der.size());
        if (key && found)
            throw error{errc::invalid_key, "the PEM text holds more than one private key"};
        if (key)
            found = std::move(key);
    }
    if (!found)
        throw error{
            errc::invalid_key,
            "the PEM text holds no private key (BEGIN PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE "
            "KEY)"};
    return checked(std::move(*found));
}

private_key private_key::from_der(std::span<const unsigned char> pkcs8) { return checked(decode_pkcs8(pkcs8)); }

std::string private_key::to_pem() const {
    bytes der = to_der();
    std::string text = write_pem("PRIVATE KEY", der);
    OPENSSL_cleanse(der.data(), der.size());
    return text;
}

std::vector<unsigned char> private_key::to_der() const {
    const pkcs8_ptr info = to_pkcs8(key_.get());
    return encode_der(i2d_PKCS8_PRIV_KEY_INFO, info.get());
}

bool operator==(const private_key& a, const private_key& b) noexcept {
    const openssl_errors_dropped errors;
    return EVP_PKEY_eq(a.key_.get(), b.key_.get()) == 1;
}

}  // namespace evercert
