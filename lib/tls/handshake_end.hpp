#pragma once

#include <evercert/certificate_source.hpp>

typedef struct ssl_st SSL;

namespace evercert {

/// The client's alert says that it does not take this certificate (RFC 8446, section 6.2). `decrypt_error` is not among
/// them: it is about a signature or a Finished, and so about us or an attacker.
bool rejects_certificate(int alert) noexcept;

/// How a server's handshake failed after it got its certificate. `error` is the first that OpenSSL queued, 0 if the
/// connection failed and not TLS.
handshake_result result_of_failure(const SSL*, unsigned long error) noexcept;

/// The handshake failed while the server made the messages that show its certificate and prove the key.
bool failed_with_certificate(const SSL*) noexcept;

}  // namespace evercert
