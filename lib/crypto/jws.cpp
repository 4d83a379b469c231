#include "crypto/jws.hpp"

#include <boost/json/serialize.hpp>

#include "crypto/key_type.hpp"
#include "crypto/openssl.hpp"
#include "crypto/signature.hpp"

namespace evercert {

boost::json::object to_jwk(const private_key& key) { return public_key{key}.to_jwk(); }

std::string jwk_thumbprint(const private_key& key) { return public_key{key}.thumbprint(); }

std::string_view jws_algorithm(const private_key& key) { return public_key{key}.jws_algorithm(); }

bytes sign_raw(const private_key& key, std::string_view signing_input) {
    const evp_md_ctx_ptr ctx{EVP_MD_CTX_new()};
    const bytes_view input = as_bytes(signing_input);
    bytes native(static_cast<std::size_t>(EVP_PKEY_get_size(key.native_handle())));
    std::size_t size = native.size();
    if (!ctx ||
        EVP_DigestSignInit(ctx.get(), nullptr, signature_digest(key.type()), nullptr, key.native_handle()) != 1 ||
        EVP_DigestSign(ctx.get(), native.data(), &size, input.data(), input.size()) != 1)
        throw openssl_error(errc::invalid_key, "cannot sign");
    native.resize(size);
    return to_jws_signature(key.type(), native);
}

std::string sign_jws(const private_key& key, boost::json::object protected_header, std::string_view payload) {
    protected_header["alg"] = jws_algorithm(key);
    const std::string header = base64url_encode(as_bytes(boost::json::serialize(protected_header)));
    const std::string body = base64url_encode(as_bytes(payload));
    return boost::json::serialize(boost::json::object{
        {"protected", header}, {"payload", body}, {"signature", base64url_encode(sign_raw(key, header + '.' + body))}});
}

}  // namespace evercert
