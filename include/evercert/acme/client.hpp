#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/acme/types.hpp>
#include <evercert/clock.hpp>
#include <evercert/http_client_options.hpp>
#include <evercert/identifier.hpp>
#include <evercert/key.hpp>
#include <evercert/log.hpp>
#include <evercert/network.hpp>

namespace evercert::acme {

/// Let's Encrypt's directories.
inline constexpr std::string_view lets_encrypt = "https://acme-v02.api.letsencrypt.org/directory";
inline constexpr std::string_view lets_encrypt_staging = "https://acme-staging-v02.api.letsencrypt.org/directory";

struct client_options {
    std::string directory_url = std::string{lets_encrypt};
    http_client_options http = {};
    log_options log = {};
    std::shared_ptr<evercert::clock> clock = system_clock();
    std::shared_ptr<evercert::network> network = system_network();

    /// A badNonce answer is retried with the nonce it carried (RFC 8555, section 6.5), this often. At a CA that refuses
    /// half of all nonces (Pebble can) 16 leave one failure in 130,000 requests.
    int bad_nonce_retries_max = 16;
    /// Nonces kept for the next requests; older ones are dropped, since CAs let them expire.
    std::size_t nonces_max = 64;
    /// The first poll is at once; then waits grow from `poll_first` by half each to `poll_max`. A `Retry-After` is
    /// obeyed instead, between `poll_first` and `retry_after_max`.
    std::chrono::milliseconds poll_first = std::chrono::milliseconds{10};
    std::chrono::milliseconds poll_max = std::chrono::seconds{5};
    std::chrono::milliseconds retry_after_max = std::chrono::minutes{5};
    /// A CA's `Retry-After` for renewal information is obeyed between these; they are RFC 9773's (section 4.3.2).
    std::chrono::milliseconds renewal_info_wait_min = std::chrono::minutes{1};
    std::chrono::milliseconds renewal_info_wait_max = std::chrono::hours{24};
    /// How long `wait_authorization`, `wait_order` and `certificate` take in all.
    std::chrono::milliseconds wait_max = std::chrono::minutes{10};
};

/// An ACME client (RFC 8555) without any policy: it does one step when it is told to, and remembers nothing but
/// nonces, connections and the directory. `manager` is built on it.
///
/// Every step is one awaitable. It throws `evercert::error`: `acme_problem` with the CA's problem document,
/// `acme_malformed` for an answer that RFC 8555 does not allow, a network error otherwise. A step that is
/// cancelled ends with `asio::error::operation_aborted`; whether the CA has seen the request is then unknown:
/// read the order or the account again before repeating it. Reads (POST-as-GET) are repeated once by the client
/// itself if the connection was lost.
///
/// A CA may have its resources at any host and port, as RFC 8555 lets it; so what it says makes the client send requests there.
/// But only over TLS to whom the roots of `http_client_options` vouch for: a URL of another scheme than https, with user
/// information, a fragment, or anything that is not plain ASCII is refused, and no step but `directory` follows a redirect.
///
/// Thread-bound: use it from one strand or one thread. Several steps may be in progress there at once. The object
/// must outlive them.
class client {
public:
    /// Throws `errc::invalid_options` for an option out of range.
    explicit client(private_key account_key, client_options = {});
    /// Continue with an account that is known by its URL.
    client(private_key account_key, std::string account_url, client_options = {});
    ~client();
    client(client&&) noexcept;
    client& operator=(client&&) noexcept;

    const private_key& account_key() const noexcept;
    /// Empty until `new_account` has succeeded.
    const std::string& account_url() const noexcept;

    /// Section 7.1.1. Fetched once and kept for a day; refetched after an error. Concurrent callers share one request.
    /// Up to three redirects are followed, to https alone.
    asio::awaitable<acme::directory> directory();

    /// Section 7.2. Takes a nonce from the pool or fetches one. The steps below do that themselves.
    asio::awaitable<std::string> new_nonce();
    /// Ask for a nonce whatever the pool has, and put it there: `date()` is of now afterwards, if the CA sends one.
    asio::awaitable<void> refresh_date();

    /// Section 7.3: create the account, or find the one that this key has. Sets `account_url()`.
    /// `contact`: URLs such as "mailto:ops@example.com". Check the directory's terms of service
    /// before you agree to them.
    asio::awaitable<account> new_account(std::vector<std::string> contact, bool terms_of_service_agreed);
    /// Section 7.3.1, `onlyReturnExisting`. Throws `errc::account_does_not_exist`.
    asio::awaitable<account> only_return_existing();

    /// Section 7.4. `names` must not be empty; the order is for them and for no others, or `acme_malformed` is
    /// thrown. This and every later step need an account: without one they throw `errc::account_does_not_exist`.
    asio::awaitable<acme::order> new_order(std::vector<identifier> names);
    /// The same, and tells the CA which certificate the new one is to replace (RFC 9773, section 5), by its
    /// `certificate_id`: such orders may be exempt from its limits. Left out if `replaces` is empty or the directory
    /// has no renewalInfo. A CA that knows of another order for the same purpose refuses with the problem
    /// "alreadyReplaced": order without it then.
    asio::awaitable<acme::order> new_order(std::vector<identifier> names, std::string replaces);
    asio::awaitable<acme::order> order(std::string order_url);

    /// Section 7.5.
    asio::awaitable<acme::authorization> authorization(std::string authorization_url);
    /// Section 7.5.1: tell the CA that the challenge can be validated now.
    asio::awaitable<challenge> challenge_ready(std::string challenge_url);
    /// Poll until the authorization leaves `pending`. Returns the valid one; throws
    /// `errc::authorization_invalid`, with the challenge's problem, for any other end and `timed_out` after
    /// `wait_max`. Polls that fail in a way that is retryable are forgiven, up to three in a row.
    asio::awaitable<acme::authorization> wait_authorization(std::string authorization_url);
    /// Section 7.5.2.
    asio::awaitable<void> deactivate_authorization(std::string authorization_url);

    /// Section 7.4. The order as the CA answers, usually `processing`; its URL is the one given. Never send it
    /// twice: after a failure read the order again.
    asio::awaitable<acme::order> finalize(acme::order order, std::vector<unsigned char> csr_der);
    /// Poll until the order leaves `pending` (unless it is already `ready`) or `processing`. Returns a `ready` or
    /// `valid` order; throws `errc::order_invalid` with the order's problem and `timed_out` after `wait_max`.
    /// Forgives polls as above.
    asio::awaitable<acme::order> wait_order(std::string order_url);

    /// Section 7.4.2. The PEM holds certificates and nothing else; whether they are the ones that were ordered is the
    /// caller's to check. Works for a URL from `order.certificate` and for those in `alternates`. Failures that are
    /// retryable are forgiven as above: what the CA has issued must not be lost by one 503.
    asio::awaitable<certificate_chain> certificate(std::string certificate_url);

    /// RFC 9773, section 4: when to renew a certificate, named by its `certificate_id`. Asked without a signature, so it
    /// works without an account. Throws `acme_unsupported` if the directory has no renewalInfo, `invalid_options` for an
    /// id that is none, `acme_malformed` for a window that does not end after its start.
    asio::awaitable<acme::renewal_info> renewal_info(std::string certificate_id);

    /// Section 7.6, signed with the account key.
    asio::awaitable<void> revoke(
        std::vector<unsigned char> certificate_der, revocation_reason = revocation_reason::unspecified);

    /// What a challenge's token must be answered with (section 8.1).
    std::string key_authorization(std::string_view token) const;

    /// The wall clock of the CA as its last answer's `Date` had it. Nothing before the first one.
    std::optional<server_date> date() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace evercert::acme
