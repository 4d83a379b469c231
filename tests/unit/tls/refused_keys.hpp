#pragma once

#include <openssl/ssl.h>

namespace test {

/// OpenSSL lets this context use no certificate any more, as a security policy may.
inline void refuse_every_key(SSL_CTX* context) {
    SSL_CTX_set_security_callback(context, [](const SSL*, const SSL_CTX*, int operation, int, int, void*, void*) {
        return operation == SSL_SECOP_EE_KEY ? 0 : 1;
    });
}

}  // namespace test
