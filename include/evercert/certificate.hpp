#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>
#include <evercert/key.hpp>

typedef struct x509_st X509;
struct stack_st_X509;

namespace evercert {

class certificate;
class held_certificate;
class issuer_chain;
/// Certificates are shared and never change: a connection keeps the one it started with for as long
/// as it lives, whatever is renewed meanwhile.
using certificate_ptr = std::shared_ptr<const certificate>;

/// An X.509 certificate with its chain and private key. Immutable; thread-safe.
class certificate {
public:
    /// `chain_pem`: the end-entity certificate first, then each issuer of the one before (RFC 8555,
    /// section 9.1), and no PEM blocks of another kind (section 11.4 says why). Text around the blocks
    /// is skipped. Throws `error`: `invalid_certificate` if it cannot be parsed or has more than
    /// `chain_max` certificates, `key_mismatch` if the key is not the certificate's. Whether it
    /// can be served is `verify_servable`'s question.
    certificate(std::string_view chain_pem, private_key key);

    /// The subject alternative names that are an `identifier`, in the certificate's order. Others
    /// (e-mail addresses, names of a single label or with an underscore) are left out. The
    /// subject's common name is not looked at (RFC 9525, section 6.3).
    const std::vector<identifier>& names() const noexcept { return names_; }
    /// Dates beyond what `wall_time` holds (the year 2262) are its ends.
    wall_time not_before() const noexcept { return not_before_; }
    wall_time not_after() const noexcept { return not_after_; }
    /// The issuer's common name in UTF-8, or its whole name in RFC 2253 form if it has none. As the CA
    /// wrote it: escape it where it is shown.
    std::string issuer() const;
    /// In lower-case hexadecimal, two digits a byte: "04d2".
    std::string serial() const;
    const private_key& key() const noexcept { return key_; }

    /// True if a client that asks for `name` accepts it: exact, or by a wildcard for one label (RFC 9525).
    bool covers(const identifier& name) const;

    std::string chain_pem() const;

    /// Valid as long as this object; not to be changed. `native_chain` has the issuers without the end-entity
    /// certificate; it is empty, not null, if there are none, and shared by all certificates that have the same. The
    /// public key of `native_handle` may be the same object as `key()`.
    X509* native_handle() const { return leaf_.get(); }
    stack_st_X509* native_chain() const { return chain_.get(); }

    /// Longer chains are refused: public CAs send 2 to 4.
    static constexpr std::size_t chain_max = 10;

private:
    friend class held_certificate;
    certificate(const std::vector<std::vector<unsigned char>>& chain, private_key key);
    certificate(
        std::span<const unsigned char> leaf_der, const std::shared_ptr<const issuer_chain>& issuers, private_key key);

    std::shared_ptr<X509> leaf_;
    std::shared_ptr<stack_st_X509> chain_;
    private_key key_;
    std::vector<identifier> names_;
    wall_time not_before_;
    wall_time not_after_;
};

/// Step 8 of the way of a certificate: throws `error` unless `cert` can be served for all of `names` at `now`:
/// every name is covered (`name_mismatch`), it is inside its validity (`certificate_expired`), each
/// certificate of the chain is the issuer of the one before and has signed it (`chain_incomplete`), and it is not
/// limited to purposes other than serving (`invalid_certificate`). That the key matches is checked by the constructor.
/// The chain may end anywhere: clients have the root, and which one is theirs to decide.
void verify_servable(const certificate& cert, const std::vector<identifier>& names, wall_time now);

}  // namespace evercert
