#pragma once

#include <chrono>
#include <string_view>

namespace evercert {

/// So many in this time, given back one by one: 300 in 3 hours is one every 36 s after a burst of 300.
struct ca_limit {
    int count = 0;  ///< 0 = no limit
    std::chrono::seconds window = {};
};

/// What a CA allows, as it publishes it. The ledger counts against it before anything is sent, since a refusal by the CA
/// may cost hours.
struct ca_limits {
    ca_limit orders = {};                     ///< newOrder of an account
    ca_limit certificates_per_domain = {};    ///< for a registered domain, such as example.co.uk
    ca_limit certificates_per_name_set = {};  ///< for exactly the same names
    ca_limit failed_authorizations = {};      ///< of one name
    ca_limit accounts = {};                   ///< new accounts from an address
    /// Orders that say which certificate they replace (RFC 9773) are never refused. Their certificates count for
    /// `certificates_per_name_set` of who says nothing.
    bool replacements_exempt = false;
    /// Orders for exactly the names of a certificate of this CA's, of the last `renewal_window`, count neither as `orders`
    /// nor for `certificates_per_domain`.
    bool renewals_exempt = false;
    std::chrono::seconds renewal_window = std::chrono::days{120};
    /// This share of `orders` and `certificates_per_domain` is kept for renewals: names that were never
    /// issued for do not get it. 0 to 90.
    int renewal_reserve_percent = 20;
};

/// https://letsencrypt.org/docs/rate-limits/ as of 2026.
constexpr ca_limits lets_encrypt_limits() {
    ca_limits limits;
    limits.orders = {300, std::chrono::hours{3}};
    limits.certificates_per_domain = {50, std::chrono::days{7}};
    limits.certificates_per_name_set = {5, std::chrono::days{7}};
    limits.failed_authorizations = {5, std::chrono::hours{1}};
    limits.accounts = {10, std::chrono::hours{3}};
    limits.replacements_exempt = true;
    limits.renewals_exempt = true;
    return limits;
}

/// What is known of the CA with this directory: Let's Encrypt's for its directories, none for any other.
ca_limits known_limits(std::string_view directory_url);

}  // namespace evercert
