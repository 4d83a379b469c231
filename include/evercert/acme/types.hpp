#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <evercert/clock.hpp>
#include <evercert/error.hpp>
#include <evercert/identifier.hpp>

namespace evercert {
class certificate;
}

namespace evercert::acme {

/// RFC 8555, section 7.1.1.
struct directory {
    std::string new_nonce;
    std::string new_account;
    std::string new_order;
    std::string revoke_cert;
    std::string key_change;                       ///< empty if the CA has none
    std::string renewal_info;                     ///< RFC 9773; empty if the CA has none
    std::optional<std::string> terms_of_service;  ///< a URL
    std::optional<std::string> website;
    std::vector<std::string> caa_identities;
    bool external_account_required = false;
};

/// Section 7.1.6; texts are the RFC's.
enum class account_status { valid, deactivated, revoked };
enum class order_status { pending, ready, processing, valid, invalid };
enum class authorization_status { pending, valid, invalid, deactivated, expired, revoked };
enum class challenge_status { pending, processing, valid, invalid };

std::string_view to_string(account_status) noexcept;
std::string_view to_string(order_status) noexcept;
std::string_view to_string(authorization_status) noexcept;
std::string_view to_string(challenge_status) noexcept;

struct account {
    std::string url;  ///< the account's "kid"
    account_status status = account_status::valid;
    std::vector<std::string> contact;
};

struct order {
    order() = default;  // not an aggregate: an awaitable takes it

    std::string url;
    order_status status = order_status::pending;
    std::vector<identifier> identifiers;
    std::vector<std::string> authorizations;  ///< URLs
    std::string finalize;                     ///< URL
    std::string certificate;                  ///< URL; empty until `valid`
    std::string replaces;                     ///< what `certificate_id` is of the certificate it replaces; often empty
    std::optional<wall_time> expires;
    std::optional<evercert::problem> error;
    std::optional<duration> retry_after;  ///< from the answer that brought this order, bounded
};

struct challenge {
    std::string url;
    std::string type;   ///< "http-01", "tls-alpn-01", or one that evercert does not know
    std::string token;  ///< base64url; empty for types that have none
    challenge_status status = challenge_status::pending;
    std::optional<evercert::problem> error;
};

struct authorization {
    std::string url;
    authorization_status status = authorization_status::pending;
    std::optional<evercert::identifier> identifier;  ///< always set by the client; for a wildcard the name without "*."
    bool wildcard = false;
    std::vector<challenge> challenges;
    std::optional<wall_time> expires;
    std::optional<duration> retry_after;

    /// The challenge of this type, or null.
    const challenge* find(std::string_view type) const noexcept;
};

/// A CA's `Date` field, and our clocks when it came.
struct server_date {
    wall_time date = {};
    wall_time wall = {};
    steady_time steady = {};
};

/// A certificate as downloaded: PEM, end-entity first; and the URLs of alternate chains (section 7.4.2).
struct certificate_chain {
    std::string pem;
    std::vector<std::string> alternates;
};

/// Renewal information (RFC 9773, section 4.2): when the CA suggests that a certificate is renewed. The window is as the
/// CA sent it: it may be over, which means at once, or lie beyond the certificate's end.
struct renewal_info {
    wall_time start = {};
    wall_time end = {};  ///< after `start`
    /// A page for people that says why. Only an https URL, but still the CA's text.
    std::optional<std::string> explanation_url;
    /// When to ask again, within the client's `renewal_info_wait_min` and `…_max`; nothing if the CA did not say.
    std::optional<duration> retry_after;
};

/// The name of a certificate in renewal information and in `replaces` (RFC 9773, section 4.1), made of its
/// issuer's key identifier and its serial number. Throws `errc::invalid_certificate` if it names no issuer's key,
/// such as a self-signed one.
std::string certificate_id(const certificate&);

/// Section 5.3.1 of RFC 5280; the ones an ACME client may give.
enum class revocation_reason {
    unspecified = 0,
    key_compromise = 1,
    affiliation_changed = 3,
    superseded = 4,
    cessation_of_operation = 5
};

}  // namespace evercert::acme
