#include "tls/handshake_end.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace evercert {

bool rejects_certificate(int alert) noexcept {
    switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    // A certificate that demands OCSP stapling (RFC 7633), which evercert does not do.
    case SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE: return true;
    default: return false;
    }
}

handshake_result result_of_failure(const SSL* ssl, unsigned long error) noexcept {
    if (error == 0)
        return handshake_result::failed;
    const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    const bool of_certificate = rejects_certificate(reason - SSL_AD_REASON_OFFSET) ||
        // RFC 8446, section 4.4.3: the client takes no signature that this key can make.
        reason == SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM || failed_with_certificate(ssl);
    return of_certificate ? handshake_result::certificate_rejected : handshake_result::failed;
}

bool failed_with_certificate(const SSL* ssl) noexcept {
    switch (SSL_get_state(ssl)) {
    case TLS_ST_SW_CERT:
    case TLS_ST_SW_KEY_EXCH:
    case TLS_ST_SW_CERT_VRFY: return true;
    default: return false;
    }
}

}  // namespace evercert
