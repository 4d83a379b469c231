#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "crypto/encoding.hpp"
#include "crypto/jws.hpp"

namespace evercert::testing {

/// Throws `refusal` (badPublicKey).
public_key parse_jwk(const boost::json::object&);

/// A JWS as RFC 8555, section 6.2 allows it: flattened, one signature, no unprotected header, and either "jwk" or
/// "kid". Its signature is not checked yet.
class jws_request {
public:
    /// Throws `refusal`: malformed, badSignatureAlgorithm.
    explicit jws_request(std::string_view body);
    /// The JWS inside a JWS of a key rollover (section 7.3.5).
    explicit jws_request(const boost::json::object& flattened);

    /// Throws `refusal` unless the key is of the algorithm's kind and has signed it.
    void verify(const public_key&) const;
    /// "jwk" as a key. Throws `refusal` (badPublicKey); not to be called if there is none.
    public_key key() const { return parse_jwk(*jwk); }
    /// The payload as an object. Throws `refusal` if it is anything else.
    boost::json::object object() const;

    std::string algorithm;
    std::optional<std::string> nonce;
    std::string url;
    std::optional<boost::json::object> jwk;
    std::string kid;  ///< empty if there is a jwk
    std::string payload;

private:
    void parse_header(std::string_view json);

    std::string signing_input_;
    bytes signature_;
};

/// The one object that `json` consists of. Throws `refusal` (malformed) with `what` in its text.
boost::json::object parse_object(std::string_view json, std::string_view what);
/// Base64url as RFC 8555 sends it. Throws `refusal` (malformed) with `what` in its text.
bytes decode(std::string_view base64url, std::string_view what);
/// The string member of this name; null if there is none. Throws `refusal` (malformed) if it is not a string.
const boost::json::string* find_string(const boost::json::object&, std::string_view member);

}  // namespace evercert::testing
