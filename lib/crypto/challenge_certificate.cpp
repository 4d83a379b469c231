#include "crypto/challenge_certificate.hpp"

#include "crypto/openssl.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_builder.hpp"

namespace evercert {

namespace {

// RFC 8737, section 6.1: id-pe-acmeIdentifier.
constexpr const char* acme_identifier_oid = "1.3.6.1.5.5.7.1.31";

// A validator need not look at the dates; these suit one whose clock is a day off.
constexpr auto clock_skew = std::chrono::days{1};
constexpr auto lifetime = std::chrono::days{7};

}  // namespace

certificate_ptr make_challenge_certificate(const identifier& name, std::string_view key_authorization, wall_time now) {
    // RFC 8737, section 3: Authorization ::= OCTET STRING (SIZE (32)).
    bytes authorization{V_ASN1_OCTET_STRING, 32};
    const auto digest = sha256(as_bytes(key_authorization));
    authorization.insert(authorization.end(), digest.begin(), digest.end());

    const private_key key = private_key::generate(key_type::ec_p256);
    x509_builder builder;
    builder.serial({}).validity(now - clock_skew, now + lifetime);
    builder.key(key.native_handle()).common_name("ACME challenge").self_issued();
    builder.names({name}, false).extension(acme_identifier_oid, authorization, true);
    const x509_ptr cert = builder.sign(key);
    return std::make_shared<certificate>(
        write_pem("CERTIFICATE", encode_der(i2d_X509, static_cast<const X509*>(cert.get()))), key);
}

}  // namespace evercert
