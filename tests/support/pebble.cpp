#include "pebble.hpp"

#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

namespace test {
namespace {

/// Each attempt has new ports; a second is rare already.
constexpr int start_attempts_max = 10;
constexpr auto start_timeout = std::chrono::seconds{20};

std::string address(std::uint16_t port) { return fmt::format("127.0.0.1:{}", port); }

/// False if a port was taken by somebody else.
template <typename Ready>
bool wait_until(process& program, Ready ready) {
    auto deadline = std::chrono::steady_clock::now() + start_timeout;
    while (!ready()) {
        if (program.log().find("address already in use") != std::string::npos)
            return false;
        if (!program.is_running() || std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error{"a program of the test CA does not start: " + program.log()};
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    return true;
}

}  // namespace

pebble::pebble(pebble_options options) : options_{std::move(options)}, exceptions_before_{std::uncaught_exceptions()} {
    if (!options_.http_port)
        options_.http_port = free_port();
    if (!options_.tls_port)
        options_.tls_port = free_port();
    make_certificates();
    for (int i = 0; i < start_attempts_max; ++i) {
        api_port_ = free_port();
        management_port_ = free_port();
        dns_port_ = free_port();
        dns_management_port_ = free_port();
        if (try_start())
            return;
    }
    throw std::runtime_error{"the test CA finds no free ports"};
}

pebble::~pebble() {
    if (std::uncaught_exceptions() > exceptions_before_)
        std::fputs(log().c_str(), stderr);
}

void pebble::start() {
    if (!try_start())
        throw std::runtime_error{"a port of the test CA was taken while it was stopped"};
}

bool pebble::try_start() {
    stop();
    write_file(folder_ / "dns.log", "");
    write_file(folder_ / "pebble.log", "");
    write_config();
    dns_ = process{
        {"pebble-challtestsrv", "-dns01", address(dns_port_), "-management", address(dns_management_port_), "-http01",
         "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""},
        {},
        folder_ / "dns.log"};
    process::environment environment{
        {"PEBBLE_VA_NOSLEEP", "1"},
        {"PEBBLE_WFE_NONCEREJECT", std::to_string(options_.nonce_reject)},
        {"PEBBLE_AUTHZREUSE", std::to_string(options_.authorization_reuse)},
        {"PEBBLE_ALTERNATE_ROOTS", std::to_string(options_.alternate_roots)},
        {"PEBBLE_CHAIN_LENGTH", std::to_string(options_.chain_length)}};
    if (options_.always_valid)
        environment.emplace_back("PEBBLE_VA_ALWAYS_VALID", "1");
    ca_ = process{
        {"pebble", "-config", folder_ / "pebble.json", "-dnsserver", address(dns_port_)},
        environment,
        folder_ / "pebble.log"};
    bool ready = wait_until(dns_, [&] {
        return dns_.listens_on_tcp(dns_port_) && dns_.listens_on_udp(dns_port_) &&
            dns_.listens_on_tcp(dns_management_port_);
    });
    return ready &&
        wait_until(ca_, [&] { return ca_.listens_on_tcp(api_port_) && ca_.listens_on_tcp(management_port_); });
}

void pebble::stop() {
    ca_.stop();
    dns_.stop();
}

std::string pebble::directory_url() const { return fmt::format("https://localhost:{}/dir", api_port_); }

std::string pebble::issuing_root_pem(int n) const {
    auto url = fmt::format("https://127.0.0.1:{}/roots/{}", management_port_, n);
    return run_program({"curl", "--silent", "--show-error", "--fail", "--cacert", ca_file(), url});
}

void pebble::dns(const std::string& command, const std::string& json) const {
    auto url = fmt::format("http://127.0.0.1:{}/{}", dns_management_port_, command);
    run_program({"curl", "--silent", "--show-error", "--fail", "--data", json, url});
}

std::string pebble::log() const { return read_file(folder_ / "pebble.log"); }

void pebble::make_certificates() const {
    std::vector<std::string> request{
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"};
    auto root = request;
    root.insert(root.end(), {"-subj", "/CN=Root of a test CA's API", "-keyout", folder_ / "ca.key", "-out", ca_file()});
    run_program(root);
    auto server = request;
    server.insert(
        server.end(),
        {"-subj", "/CN=localhost", "-CA", ca_file(), "-CAkey", folder_ / "ca.key", "-addext",
         "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
         folder_ / "localhost.key", "-out", folder_ / "localhost.pem"});
    run_program(server);
}

void pebble::write_config() const {
    std::string blocklist;
    for (auto& name : options_.blocklist)
        blocklist += fmt::format("{}\"{}\"", blocklist.empty() ? "" : ", ", name);
    write_file(
        folder_ / "pebble.json",
        fmt::format(
            R"({{"pebble": {{
  "listenAddress": "{}", "managementListenAddress": "{}",
  "certificate": "{}", "privateKey": "{}",
  "httpPort": {}, "tlsPort": {}, "ocspResponderURL": "", "externalAccountBindingRequired": {},
  "domainBlocklist": [{}], "retryAfter": {{"authz": {}, "order": {}}}, "keyAlgorithm": "ecdsa"}}}}
)",
            address(api_port_), address(management_port_), folder_ / "localhost.pem", folder_ / "localhost.key",
            options_.http_port, options_.tls_port, options_.external_account_required, blocklist,
            options_.authorization_retry_after, options_.order_retry_after));
}

}  // namespace test
