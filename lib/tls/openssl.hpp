#pragma once

#include <memory>
#include <string>

#include <openssl/ssl.h>

namespace evercert {

struct ssl_deleter {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};
using ssl_ptr = std::unique_ptr<SSL, ssl_deleter>;

/// What OpenSSL's error queue of this thread says, in words; empties it.
std::string take_openssl_reason();

}  // namespace evercert
