#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "process.hpp"

namespace test {

struct pebble_options {
    /// Of the requests' nonces, in percent, that are answered badNonce.
    int nonce_reject = 0;
    /// Of the authorizations that could be used again, in percent, that are.
    int authorization_reuse = 0;
    std::vector<std::string> blocklist = {"blocked-domain.example"};
    /// Where validations connect to; 0 = a free one, see `http_port()` and `tls_port()`.
    std::uint16_t http_port = 0;
    std::uint16_t tls_port = 0;
    /// Other roots beside the first, each with a chain of its own.
    int alternate_roots = 0;
    /// Certificates from the end entity's issuer up to the root.
    int chain_length = 1;
    /// Challenges are valid without being asked.
    bool always_valid = false;
    /// What it sends as Retry-After, in seconds; 0 = it sends none.
    int authorization_retry_after = 0;
    int order_retry_after = 0;
    bool external_account_required = false;
};

/// Let's Encrypt's test CA with its test DNS, in which every name is 127.0.0.1: real programs on free ports of
/// 127.0.0.1. It is ready when the constructor returns. Uses `openssl` and `curl`.
class pebble {
public:
    explicit pebble(pebble_options = {});
    /// In a test that fails by an exception (REQUIRE) it prints its log first.
    ~pebble();

    std::string directory_url() const;
    /// The root of its API's certificate, for `http_client_options::ca_file`.
    std::string ca_file() const { return folder_ / "ca.pem"; }
    /// The root of the certificates that it issues: another one after each start. `n` counts alternate roots.
    std::string issuing_root_pem(int n = 0) const;

    std::uint16_t http_port() const noexcept { return options_.http_port; }
    std::uint16_t tls_port() const noexcept { return options_.tls_port; }

    /// Stop, as an outage; and start again on the same ports, with no memory of accounts and orders.
    void stop();
    void start();

    /// What it printed so far, for tests that fail.
    std::string log() const;
    /// The test DNS's management (add-a, set-txt, …): POST `json` to it.
    void dns(const std::string& command, const std::string& json) const;

private:
    bool try_start();
    void make_certificates() const;
    void write_config() const;

    pebble_options options_;
    int exceptions_before_;
    std::uint16_t api_port_ = 0;
    std::uint16_t management_port_ = 0;
    std::uint16_t dns_port_ = 0;
    std::uint16_t dns_management_port_ = 0;
    temporary_folder folder_;
    process dns_;
    process ca_;
};

}  // namespace test
