#include "testing/jws_request.hpp"

#include <boost/json/parse.hpp>

#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

std::string string_member(const boost::json::object& in, std::string_view member) {
    const auto* found = find_string(in, member);
    if (!found)
        throw refusal{400, "malformed", "\"" + std::string{member} + "\" is missing in the JWS"};
    return std::string{*found};
}

bool is_supported(std::string_view algorithm) {
    return algorithm == "ES256" || algorithm == "ES384" || algorithm == "RS256" || algorithm == "EdDSA";
}

}  // namespace

boost::json::object parse_object(std::string_view json, std::string_view what) {
    boost::system::error_code failed;
    auto value = boost::json::parse({json.data(), json.size()}, failed);
    if (failed || !value.is_object())
        throw refusal{400, "malformed", std::string{what} + " is not a JSON object"};
    return std::move(value.get_object());
}

bytes decode(std::string_view base64url, std::string_view what) {
    auto decoded = base64url_decode(base64url);
    if (!decoded)
        throw refusal{400, "malformed", std::string{what} + " is not base64url without padding"};
    return std::move(*decoded);
}

const boost::json::string* find_string(const boost::json::object& in, std::string_view member) {
    const auto* found = in.if_contains({member.data(), member.size()});
    if (!found)
        return nullptr;
    if (!found->is_string())
        throw refusal{400, "malformed", "\"" + std::string{member} + "\" is not a string"};
    return &found->get_string();
}

jws_request::jws_request(std::string_view body) : jws_request{parse_object(body, "the body")} {}

jws_request::jws_request(const boost::json::object& flattened) {
    if (flattened.contains("signatures"))
        throw refusal{400, "malformed", "a JWS must have one signature"};
    if (flattened.contains("header"))
        throw refusal{400, "malformed", "a JWS must not have an unprotected header"};
    const auto header = string_member(flattened, "protected");
    const auto body = string_member(flattened, "payload");
    signature_ = decode(string_member(flattened, "signature"), "the signature");
    signing_input_ = header + "." + body;
    const auto decoded_body = decode(body, "the payload");
    payload.assign(decoded_body.begin(), decoded_body.end());
    const auto decoded_header = decode(header, "the protected header");
    parse_header({reinterpret_cast<const char*>(decoded_header.data()), decoded_header.size()});
}

void jws_request::parse_header(std::string_view json) {
    const auto header = parse_object(json, "the protected header");
    // RFC 7515, section 4.1.11: what is critical must be understood, and no extension is; RFC 8555 forbids "b64".
    if (header.contains("crit") || header.contains("b64"))
        throw refusal{400, "malformed", "the protected header has an extension"};
    algorithm = string_member(header, "alg");
    if (!is_supported(algorithm))
        throw refusal{400, "badSignatureAlgorithm", "the algorithm " + quoted(algorithm, 20) + " is not supported"};
    url = string_member(header, "url");
    if (const auto* found = find_string(header, "nonce"))
        nonce = std::string{*found};
    const auto* key = header.if_contains("jwk");
    const auto* id = find_string(header, "kid");
    if ((key != nullptr) == (id != nullptr))
        throw refusal{400, "malformed", "the protected header must have either \"jwk\" or \"kid\", and not both"};
    if (id) {
        kid = std::string{*id};
        return;
    }
    if (!key->is_object())
        throw refusal{400, "malformed", "\"jwk\" is not an object"};
    jwk = key->get_object();
}

void jws_request::verify(const public_key& key) const {
    if (!key.verify(algorithm, signing_input_, signature_))
        throw refusal{400, "malformed", "the signature of the JWS does not verify"};
}

public_key parse_jwk(const boost::json::object& jwk) {
    try {
        return public_key::from_jwk(jwk);
    } catch (const error& why) {
        throw refusal{400, "badPublicKey", why.what()};
    }
}

boost::json::object jws_request::object() const { return parse_object(payload, "the payload"); }

}  // namespace evercert::testing
