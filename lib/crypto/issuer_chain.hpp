#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "crypto/encoding.hpp"
#include "crypto/openssl.hpp"

namespace evercert {

/// The certificates of a PEM chain as DER, end-entity first; not parsed. Throws `error` with
/// `errc::invalid_certificate` if there is none, more than `certificate::chain_max` or a block of another kind.
std::vector<bytes> read_chain(std::string_view pem);

/// A certificate as OpenSSL has it; throws `error` with `errc::invalid_certificate`.
x509_ptr parse_x509(bytes_view der);

/// The certificates above an end-entity certificate. Nearly all certificates of a server have the same few, so there
/// is one object for each list, shared by all that have it. Thread-safe.
class issuer_chain {
public:
    /// The list with these certificates; the one that is in use already, if any.
    static std::shared_ptr<const issuer_chain> intern(std::vector<bytes> certificates);

    const std::vector<bytes>& certificates() const noexcept { return certificates_; }
    /// Parsed at the first call and kept; empty, not null, if there are none. Valid as long as this object. Throws
    /// `error` with `errc::invalid_certificate` if one cannot be parsed.
    STACK_OF(X509) * parsed() const;

    explicit issuer_chain(std::vector<bytes> certificates) : certificates_{std::move(certificates)} {}

private:
    std::vector<bytes> certificates_;
    mutable std::mutex mutex_;
    mutable x509_stack_ptr parsed_;
};

}  // namespace evercert
