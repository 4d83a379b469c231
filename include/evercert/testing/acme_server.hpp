#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>
#include <evercert/log.hpp>
#include <evercert/network.hpp>

namespace evercert::testing {

/// What the CA does, and what it does wrong on demand.
struct acme_server_options {
    /// Where its API listens; port 0 = the system chooses.
    endpoint api = {asio::ip::address_v4::loopback(), 0};
    /// Where validations connect to: every name resolves to this address.
    asio::ip::address validation_address = asio::ip::address_v4::loopback();
    std::uint16_t http_port = 80;    ///< http-01
    std::uint16_t https_port = 443;  ///< tls-alpn-01
    std::chrono::milliseconds validation_timeout = std::chrono::seconds{5};

    /// Of the certificates it issues.
    std::chrono::seconds lifetime = std::chrono::days{90};
    /// The challenges it offers, in this order.
    std::vector<std::string> challenges = {"http-01", "tls-alpn-01"};
    /// Names it refuses with rejectedIdentifier.
    std::vector<identifier> refused = {};
    /// Every nth POST is answered badNonce; 0 = none.
    int bad_nonce_every = 0;
    /// How long authorizations stay pending after the challenge was answered, and orders `processing` after finalize.
    std::chrono::milliseconds validation_delay = {};
    std::chrono::milliseconds issuance_delay = {};
    /// Sent as Retry-After with pending authorizations and processing orders; empty = none.
    std::string retry_after = {};
    /// A valid authorization is used again for later orders of the account.
    bool reuse_authorizations = false;
    bool terms_required = true;
    std::string terms_url = "https://ca.test/terms";

    log_options log = {};
    std::shared_ptr<evercert::clock> clock = system_clock();
    std::shared_ptr<evercert::network> network = system_network();
};

/// An ACME CA (RFC 8555) inside the process: real HTTPS on loopback, real validation connections, real certificates from
/// a root that exists as long as the object. For tests of servers that use evercert, and of any other ACME client. It keeps everything in memory and is not
/// made to be reachable by anybody else.
///
///     evercert::testing::acme_server ca{io, {.http_port = 5002, .https_port = 5001}};
///     evercert::manager manager{io, {.directory_url = ca.directory_url(), .http = {.ca_file = ca.api_root_file()}}};
///
/// Threads: members may be called from any thread. It works on a strand of its own from its construction to its destruction.
class acme_server {
public:
    /// Listens at once; throws `error` with `errc::listen_failed`.
    explicit acme_server(asio::any_io_executor, acme_server_options = {});
    ~acme_server();
    acme_server(const acme_server&) = delete;
    acme_server& operator=(const acme_server&) = delete;

    std::string directory_url() const;
    /// The root of the API's own certificate, in PEM; and a file with it that lives as long as the object, for `http_client_options::ca_file`.
    std::string api_root_pem() const;
    std::string api_root_file() const;
    /// The root of the certificates it issues.
    std::string issuing_root_pem() const;

    /// The ports of the validations, for servers that were bound after the CA was made.
    void validation_ports(std::uint16_t http_port, std::uint16_t https_port);

    /// The next request to the resource ("newOrder", "finalize", "authorization", … as in `count`) is answered with this problem.
    /// `type` is an ACME error's name such as "rateLimited". Several queue up.
    void fail_next(
        std::string resource, int status, std::string type, std::string detail = {}, std::string retry_after = {});
    /// Change the options that may change while it runs.
    void bad_nonce_every(int n);

    /// How many requests each resource had: "directory", "newNonce", "newAccount", "newOrder", "order", "authorization", "challenge",
    /// "finalize", "certificate", "revokeCert".
    int count(std::string_view resource) const;
    int certificates_issued() const;
    /// Serial numbers (hexadecimal) that were revoked.
    std::vector<std::string> revoked() const;

    /// Stop listening and close every connection; the destructor does it too.
    void stop();

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace evercert::testing
