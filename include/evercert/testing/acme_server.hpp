#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/ip/address.hpp>

#include <evercert/ca_limits.hpp>
#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>
#include <evercert/log.hpp>
#include <evercert/network.hpp>
#include <evercert/testing/ca_faults.hpp>

namespace evercert::testing {

/// For the books of a test.
struct issued_certificate {
    std::string serial;  ///< as `certificate::serial()` has it
    std::vector<identifier> names;
    std::size_t account = 0;  ///< the number at the end of the account's URL
    wall_time not_before;
    wall_time not_after;
    std::string replaces;  ///< the serial number of what its order named in `replaces`; empty = nothing
};

struct placed_order {
    std::vector<identifier> names;
    std::size_t account = 0;  ///< as above
};

/// What the CA does, and what it does wrong on demand. The constructor of `acme_server` checks the ranges.
struct acme_server_options {
    /// Where its API listens; port 0 = the system chooses. Its URLs have this address, or loopback if it is
    /// unspecified.
    endpoint api = {asio::ip::address_v4::loopback(), 0};
    /// Where validations connect to: every name resolves to this address, and IP identifiers lead here too. None: where
    /// the network says.
    std::optional<asio::ip::address> validation_address = asio::ip::address_v4::loopback();
    std::uint16_t http_port = 80;    ///< http-01
    std::uint16_t https_port = 443;  ///< tls-alpn-01
    std::chrono::milliseconds validation_timeout = std::chrono::seconds{5};

    /// Of the certificates it issues, from the moment of issuance on.
    std::chrono::seconds lifetime = std::chrono::days{90};
    /// The challenges it offers, in this order. It validates these two and lets any other fail; wildcards are offered
    /// "dns-…" alone, IP addresses all but those.
    std::vector<std::string> challenges = {"http-01", "tls-alpn-01"};
    /// Names it refuses with rejectedIdentifier.
    std::vector<identifier> refused = {};
    /// Every nth POST that is a JWS is answered badNonce; 0 = none.
    int bad_nonce_every = 0;
    /// How long authorizations stay pending after the challenge was answered, and orders `processing` after finalize;
    /// without `issuance_delay` finalize answers with a valid order.
    std::chrono::milliseconds validation_delay = {};
    std::chrono::milliseconds issuance_delay = {};
    /// Sent as Retry-After with pending authorizations and processing orders; empty = none.
    std::string retry_after = {};
    /// Renewal information (RFC 9773) for every certificate, and `replaces` in orders. At first a window is as Let's
    /// Encrypt has it: a fiftieth of the lifetime long, around two thirds of it.
    bool renewal_info = true;
    /// Sent as Retry-After with renewal information; empty = none.
    std::string renewal_info_retry_after = "21600";
    /// A valid authorization is used again for later orders of the account, for 30 days.
    bool reuse_authorizations = false;
    /// Certificates have a second chain, to another root (section 7.4.2: Link rel="alternate").
    bool alternate_chain = false;
    /// What it refuses with rateLimited, such as `lets_encrypt_limits()`; none = nothing. As at Let's Encrypt: token
    /// buckets that refill continuously; certificates count when they are issued; with `replacements_exempt` orders with
    /// `replaces` are refused nothing; orders for exactly the names of another certificate count neither against `orders`
    /// nor `certificates_per_domain`. `renewal_reserve_percent` is for clients alone.
    std::optional<ca_limits> limits = {};
    /// Told of each certificate, in the order of their issuance, before its order's answer is sent: on the CA's executor, so
    /// it must neither block nor throw. It may use the `acme_server`.
    std::function<void(const issued_certificate&)> issued = {};
    /// The same for each order that a client placed, whatever becomes of it.
    std::function<void(const placed_order&)> ordered = {};
    bool terms_required = true;
    std::string terms_url = "https://ca.test/terms";

    log_options log = {};
    std::shared_ptr<evercert::clock> clock = system_clock();
    std::shared_ptr<evercert::network> network = system_network();
    /// The network as the machine sees it that validates, if that is another one: then CA and servers may reach one another while
    /// validations do not arrive, or the other way round. None: `network`.
    std::shared_ptr<evercert::network> validation_network = {};
};

/// An ACME CA (RFC 8555) inside the process: real HTTPS, real validation connections, real certificates from a
/// root that exists as long as the object. For tests of servers that use evercert, and of any other ACME client:
/// it is strict, so that what passes here passes elsewhere. It keeps everything in memory and is not made to be
/// reachable by anybody else. Orders, authorizations and certificates are forgotten a week after they have expired, so
/// that it can run for as long as somebody wants to simulate.
///
///     evercert::testing::acme_server ca{io.get_executor(), {.http_port = 5002, .https_port = 5001}};
///     evercert::manager manager{io, {.directory_url = ca.directory_url(), .http = {.ca_file = ca.api_root_file()}}};
///
/// It asks nothing of the io_context but to be run, and may share its only thread with the servers under test.
/// All its time and network are the options' `clock` and `network`; delays and expiry are computed when they are
/// asked for, not waited for.
///
/// Threads: members may be called from any thread. It works on a strand of its own from its construction on, and
/// keeps `run()` from returning until it is stopped. Lifetime: it may be destroyed before, while and after the
/// io_context runs, but not after the io_context is destroyed.
class acme_server {
public:
    /// Listens at once. Throws `error`: `errc::listen_failed`, `invalid_options` for an option out of its range,
    /// `store_failed` if the temporary file cannot be written.
    explicit acme_server(asio::any_io_executor, acme_server_options = {});
    /// As `stop()`, and removes `api_root_file()`.
    ~acme_server();
    acme_server(const acme_server&) = delete;
    acme_server& operator=(const acme_server&) = delete;

    std::string directory_url() const;
    /// The root of the API's own certificate, in PEM; and a file with it, readable by nobody else, for
    /// `http_client_options::ca_file`.
    std::string api_root_pem() const;
    std::string api_root_file() const;
    /// The root of the certificates it issues, the alternate one if there is one, and what was before them by
    /// `ca_faults::replace_issuer()`.
    std::string issuing_root_pem() const;

    /// The ports of the validations, for servers that were bound after the CA was made.
    void validation_ports(std::uint16_t http_port, std::uint16_t https_port);

    /// The next request to the resource whose signature and nonce are good is answered with this problem; further
    /// calls queue up. `resource`: as in `count`. `status`: 400 to 599. `type`: an ACME error's name such as
    /// "rateLimited"; empty = no problem document but `detail` as plain text, as from a proxy in front of a CA.
    /// Throws `error` with `errc::invalid_options`.
    void fail_next(
        std::string resource, int status, std::string type, std::string detail = {}, std::string retry_after = {});
    /// The same for every such request, as in an outage, until `recover()`. What `fail_next` queued comes first. `resource`
    /// may be "" for all of them.
    void fail_all(
        std::string resource, int status, std::string type, std::string detail = {}, std::string retry_after = {});
    /// Nothing fails on demand any more, nor by `faults()`.
    void recover();
    /// As the option of that name, from now on; `recover()` leaves it.
    void bad_nonce_every(int n);
    /// All that goes wrong beside that.
    ca_faults& faults() noexcept;

    /// What renewal information says from now on: of the certificate with this serial number, as
    /// `certificate::serial()` has it; or of all that were issued so far, as before a mass revocation. Windows that are
    /// wrong, such as one that ends before it starts, are sent as they are, so that a client shows what it does.
    /// `explanation_url` is left out if it is empty. Throws `error` with `errc::invalid_options` for a serial number
    /// that it has not issued.
    void renewal_window(std::string_view serial, wall_time start, wall_time end, std::string explanation_url = {});
    void renewal_windows(wall_time start, wall_time end, std::string explanation_url = {});

    /// How many requests each resource had, refused ones too: "directory", "newNonce", "newAccount", "newOrder",
    /// "revokeCert", "keyChange", "account", "orders", "order", "finalize", "authorization", "challenge",
    /// "certificate", "alternate" (a certificate's other chain), "renewalInfo". Throws `error` with `errc::invalid_options` for
    /// any other name.
    int count(std::string_view resource) const;
    int certificates_issued() const;
    /// How many requests were refused by a limit of the option `limits`, and the latest 20 of them as text, the last one last.
    int limit_violations() const;
    std::vector<std::string> latest_limit_violations() const;
    /// How many requests no careful client sends, refused or not, and the latest 20 of them as text: a finalize for an order
    /// that was finalized; a `replaces` that was answered alreadyReplaced, again without an order without it in between.
    int protocol_violations() const;
    std::vector<std::string> latest_protocol_violations() const;
    /// Serial numbers of what was revoked and is not forgotten, as `certificate::serial()` has them.
    std::vector<std::string> revoked() const;
    /// Serial numbers of what an order named in `replaces` (RFC 9773) and is not forgotten, in the order of their issuance.
    std::vector<std::string> replaced() const;

    /// Stop listening, and close every connection and validation. Takes effect when the io_context runs next, at
    /// once if it is called from there. The second call does nothing.
    void stop();

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace evercert::testing
