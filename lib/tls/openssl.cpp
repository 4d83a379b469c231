#include "tls/openssl.hpp"

#include <cstring>

#include <openssl/err.h>

namespace evercert {

std::string take_openssl_reason() {
    // The last entry is what libssl made of the ones before it.
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    if (code == 0)
        return "no reason given";
    if (ERR_SYSTEM_ERROR(code))
        return std::strerror(ERR_GET_REASON(code));
    if (const char* reason = ERR_reason_error_string(code))
        return reason;
    return "OpenSSL error " + std::to_string(code);
}

}  // namespace evercert
