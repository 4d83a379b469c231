#pragma once

#include <string_view>
#include <vector>

#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>
#include <evercert/key.hpp>

#include "crypto/encoding.hpp"
#include "crypto/openssl.hpp"

namespace evercert {

/// Puts an X.509 version 3 certificate together. Every step throws `error` if OpenSSL refuses it.
class x509_builder {
public:
    x509_builder();

    x509_builder& validity(wall_time not_before, wall_time not_after);
    /// The subject's public key.
    x509_builder& key(EVP_PKEY*);
    /// Positive, big-endian; empty = 128 random bits.
    x509_builder& serial(bytes_view);
    x509_builder& common_name(std::string_view);
    /// A certificate without a subject must mark them critical (RFC 5280, section 4.2.1.6).
    x509_builder& names(const std::vector<identifier>&, bool critical);
    /// Sets the issuer's name and the authority key identifier. Call it before `sign` and after `key`.
    x509_builder& issued_by(X509* issuer);
    /// Sets the subject as the issuer. Call it after `common_name`.
    x509_builder& self_issued();
    /// An extension as OpenSSL's configuration writes it: `extension(NID_basic_constraints, "critical,CA:TRUE")`.
    x509_builder& extension(int nid, const char* value);
    x509_builder& extension(const char* oid, bytes_view value, bool critical);

    x509_ptr sign(const private_key&);

private:
    x509_ptr cert_;
    X509* issuer_ = nullptr;
};

}  // namespace evercert
