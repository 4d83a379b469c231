#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <openssl/ssl.h>

#include <evercert/certificate.hpp>
#include <evercert/clock.hpp>
#include <evercert/error.hpp>
#include <evercert/tls_context.hpp>
#include <evercert/tls_stream.hpp>

#include "base/memory_stream.hpp"
#include "catch.hpp"
#include "process.hpp"
#include "run.hpp"

/// What the tests of TLS share: certificates of a CA of their own, and both ends of a connection in memory.
namespace test {

/// The wall clock of the tests: stands still.
class still_clock final : public evercert::clock {
public:
    evercert::wall_time wall() const override { return now; }
    evercert::steady_time steady() const override { return {}; }
    asio::awaitable<void> sleep_for(evercert::duration) override { co_return; }
    evercert::wall_time now = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
};

/// A CA whose certificates are valid for the 90 days around the `still_clock`'s time.
class tls_ca {
public:
    tls_ca();
    evercert::certificate_ptr issue(
        const std::vector<evercert::identifier>& names, evercert::key_type type = evercert::key_type::ec_p256) const;
    /// A challenge certificate of RFC 8737.
    static evercert::certificate_ptr challenge(const evercert::identifier& name);
    const std::string& root_file() const { return root_file_; }
    std::string intermediate_pem() const { return intermediate_.chain_pem(); }

private:
    evercert::certificate root_;
    evercert::certificate intermediate_;
    temporary_folder folder_;
    std::string root_file_;
};
/// One for all tests of the program.
const tls_ca& shared_ca();
/// GCC 12 takes no braced list in an expression that awaits.
evercert::certificate_ptr certificate_for(const char* name, evercert::key_type type = evercert::key_type::ec_p256);

struct tls_options {
    std::string name = "a.test";
    int version = TLS1_3_VERSION;
    std::vector<std::string> server_alpn = {};
    evercert::tls_server_options server = {};  ///< but its ALPN
    std::vector<std::string> client_alpn = {};
    std::size_t capacity = 64 << 10;
    std::size_t segment = 64 << 10;
};

/// A server and a client, connected in memory. The client trusts `shared_ca()` and speaks `version` alone.
struct tls_pair {
    explicit tls_pair(asio::any_io_executor, const tls_options& = {});

    std::shared_ptr<still_clock> time = std::make_shared<still_clock>();
    evercert::tls_server_context server_context;
    evercert::tls_client_context client_context;
    std::unique_ptr<evercert::tls_stream> server;
    std::unique_ptr<evercert::tls_stream> client;
    /// The alert that the client received last; 0 = none.
    int client_alert = 0;
};

/// The server's half with one certificate: returns what the client said.
asio::awaitable<evercert::client_hello> accept_with(evercert::tls_stream&, evercert::certificate_ptr);
/// The server's half that refuses.
asio::awaitable<void> accept_refusing(evercert::tls_stream&, evercert::error);

/// Both halves, with a certificate for the name in `options`.
asio::awaitable<evercert::client_hello> establish(tls_pair&, evercert::certificate_ptr);

asio::awaitable<std::string> read_exactly(evercert::stream&, std::size_t);

/// The errc that an awaitable throws; fails the test if it throws none or something else.
asio::awaitable<evercert::error> error_of(asio::awaitable<void>);

/// Remember the alert that this SSL receives last.
void record_alerts(SSL*, int& into);

}  // namespace test
