#pragma once

#include <array>
#include <chrono>
#include <exception>
#include <optional>
#include <string_view>

namespace evercert {

/// Why a certificate could not be obtained, as far as it decides whether and when to try again.
enum class failure_class {
    name_refused,  ///< the CA does not issue for this name: rejectedIdentifier, unsupportedIdentifier
    caa,           ///< the CAA records of the domain forbid it
    dns,           ///< the CA found no usable DNS records of the name
    connection,    ///< the CA did not get the challenge's answer: connection, tls, unauthorized, incorrectResponse
    rate_limited,  ///< the CA, or our ledger of its limits, says not now
    server,        ///< the CA is down, answers 5xx, hangs, or what it says is not ACME
    our_mistake,   ///< the CA refuses what we send: malformed, badCSR, the account; or options that do not fit it
    local,         ///< this machine: the store, its clock
    cancelled,     ///< nobody failed; never remembered
};
inline constexpr std::size_t failure_class_count = 9;

/// "name_refused" … "cancelled", and back.
std::string_view to_string(failure_class) noexcept;
std::optional<failure_class> parse_failure_class(std::string_view) noexcept;

/// By the code of an `error` and the types of its problem document and subproblems (RFC 8555, section 6.7).
failure_class classify(std::exception_ptr) noexcept;

/// The wait after the first failure in a row; each further one doubles it up to `most`.
struct retry_delay {
    std::chrono::milliseconds first = {};
    std::chrono::milliseconds most = {};
};

/// When to try again after a failure, by its class. Handshakes for the name are refused until then with what it failed with;
/// `cert()` asks the CA all the same, unless the CA said when to come back; renewals wait as long, but no longer than an eighth of what is left of the certificate, or `first` if that is longer. A CA's
/// `Retry-After` is obeyed if it is longer. Each wait is lengthened by up to a tenth, drawn once when it is planned.
struct retry_options {
    /// A CA's policy on a name hardly ever changes.
    retry_delay name_refused = {std::chrono::hours{6}, std::chrono::days{7}};
    /// Somebody has to edit a zone; CAs cache what they saw for up to 8 hours (CA/Browser Forum, 3.2.2.8).
    retry_delay caa = {std::chrono::minutes{15}, std::chrono::days{1}};
    /// The same; a new name often needs its first minutes to be seen everywhere.
    retry_delay dns = {std::chrono::minutes{5}, std::chrono::days{1}};
    /// A firewall or a name that does not lead here. Let's Encrypt allows 5 failed validations of a name an hour: 5, 10,
    /// 20, 40 minutes stay below it.
    retry_delay connection = {std::chrono::minutes{5}, std::chrono::days{1}};
    /// Without a `Retry-After`; CAs count by hours and weeks.
    retry_delay rate_limited = {std::chrono::hours{1}, std::chrono::days{1}};
    /// Outages end by themselves, most within minutes; after hours everybody else is waiting, too.
    retry_delay server = {std::chrono::minutes{1}, std::chrono::hours{6}};
    /// Only a new version or new options mend it, and both come with a restart.
    retry_delay our_mistake = {std::chrono::hours{1}, std::chrono::days{1}};
    /// The disk is full, the clock is wrong: nobody outside is asked.
    retry_delay local = {std::chrono::minutes{1}, std::chrono::hours{1}};

    /// `cancelled` waits for nothing.
    retry_delay of(failure_class) const noexcept;
};

}  // namespace evercert
