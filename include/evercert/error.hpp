#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace evercert {

/// What went wrong, for programs. The text of the `error` says it for people.
enum class errc {
    // What the caller asked for.
    invalid_identifier = 1,  ///< not a host name or IP address a certificate can be issued for
    invalid_options,         ///< an option is out of its range, or two of them contradict
    invalid_key,             ///< not a private key evercert can use, or damaged
    invalid_certificate,     ///< not a certificate, or damaged
    context_not_installed,   ///< `handshake()` on a stream whose context did not go through `install()`
    stopped,                 ///< the manager was stopped

    // Policy: nobody was asked.
    name_not_allowed,  ///< the host list does not admit this name
    no_server_name,    ///< the client sent no SNI and there is no certificate for that case
    no_challenge,      ///< an acme-tls/1 connection for a name that is not being validated
    rate_limited,      ///< a limiter of ours, or the CA (then with `retry_after`), says not now
    too_many_waiters,  ///< a bound on waiting work was reached
    timed_out,         ///< a deadline of ours passed

    // The CA (RFC 8555).
    acme_problem,            ///< the CA answered with a problem document; see `error::problem()`
    acme_malformed,          ///< the CA's answer is not what RFC 8555 says it should be
    order_invalid,           ///< the order became `invalid`
    authorization_invalid,   ///< an authorization became `invalid`; `problem()` has the challenge's error
    challenge_unsupported,   ///< the CA offers no challenge that is enabled here
    terms_not_agreed,        ///< the terms-of-service prompt did not agree
    already_registered,      ///< there is an account already
    account_does_not_exist,  ///< the CA does not know this account key
    acme_unsupported,        ///< the CA's directory does not offer what is asked for, such as renewal information

    // The network.
    resolve_failed,     ///< no address for a host name
    connect_failed,     ///< no address of the host accepted the connection
    listen_failed,      ///< an address could not be bound
    connection_closed,  ///< the peer closed the connection in the middle
    tls_failed,         ///< a TLS handshake or record failed
    peer_untrusted,     ///< the peer's certificate was not issued by a trusted CA, or is for another name
    http_malformed,     ///< not HTTP as RFC 9112 has it
    http_status,        ///< an HTTP status that the protocol does not allow at this point
    body_too_large,     ///< a body or head is larger than its bound

    // Certificates that were obtained.
    key_mismatch,         ///< the certificate is for another key
    name_mismatch,        ///< the certificate is for other names
    certificate_expired,  ///< outside its validity
    chain_incomplete,     ///< the chain is out of order or a link is missing

    // Stored state.
    state_damaged,  ///< stored state cannot be read; the text names the place and the reason
    state_version,  ///< stored state was written by a later version
    store_failed,   ///< the store could not read or write
    lock_lost,      ///< a lease ended before the work under it

    clock_doubted,  ///< the wall clock contradicts the evidence: no certificate is ordered by it
};

const std::error_category& category() noexcept;
std::error_code make_error_code(errc) noexcept;

/// A problem document (RFC 7807 as used by RFC 8555, section 6.7). Every text in it comes from
/// the CA: it is kept as it came, bounded in length, and must be escaped where it is shown.
struct problem {
    struct subproblem {
        std::string type;
        std::string detail;
        std::string identifier;  ///< the name this is about, as the CA wrote it
    };
    std::string type;  ///< such as "urn:ietf:params:acme:error:rateLimited"; "about:blank" if absent
    std::string title;
    std::string detail;
    int status = 0;  ///< the HTTP status; 0 if none was given
    std::vector<subproblem> subproblems;
    std::string instance;  ///< a URL where the CA says more, such as what to do for userActionRequired

    /// True if `type` is the ACME error of that name: `p.is("badNonce")`.
    bool is(std::string_view acme_error) const noexcept;
};

/// What every function of evercert throws. `what()` is one line, printable whatever the CA said:
/// text from outside stands in quotes with control characters escaped.
///
/// Copying does not throw. Thread-safe as a value.
class error : public std::system_error {
public:
    error(std::error_code code, const std::string& text);
    error(errc code, const std::string& text);
    error(
        errc code, const std::string& text, evercert::problem from_ca,
        std::optional<std::chrono::seconds> retry_after = {});
    /// A refusal that is known to end: `errc::rate_limited` with the time to wait.
    error(errc code, const std::string& text, std::chrono::seconds retry_after);

    /// One line.
    const char* what() const noexcept override;
    /// What the CA said, if a CA said something.
    const evercert::problem* problem() const noexcept;
    /// The time after which another attempt may succeed, from the CA or from the limiter that refused.
    std::optional<std::chrono::seconds> retry_after() const noexcept;

private:
    struct details;
    error(std::error_code code, std::shared_ptr<const details>);
    std::shared_ptr<const details> details_;
};

/// True if the same call may succeed later without a change on our side: the network, a CA's 5xx,
/// a rate limit, a deadline. False for what the caller or the CA must change first.
bool is_retryable(const std::error_code&) noexcept;
bool is_retryable(const error&) noexcept;

/// `text` in quotes, control and non-ASCII bytes as \xNN, cut at `length_max` bytes: for anything
/// from outside that goes into a message or a log. An object and not a function, since the type of a
/// `std::string` argument would otherwise find `std::quoted` beside it.
struct quoted_function {
    std::string operator()(std::string_view text, std::size_t length_max = 200) const;
};
inline constexpr quoted_function quoted{};

}  // namespace evercert

template <>
struct std::is_error_code_enum<evercert::errc> : std::true_type {};
