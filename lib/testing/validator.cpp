#include "testing/validator.hpp"

#include <asio/error.hpp>
#include <openssl/ssl.h>

#include <evercert/tls_stream.hpp>

#include "base/connect.hpp"
#include "base/within.hpp"
#include "http/client.hpp"
#include "testing/refusal.hpp"
#include "testing/validation_checks.hpp"

namespace evercert::testing {

namespace {

/// Leads every connection to one address, which is where the servers under test are.
class network_to_one_address final : public network {
public:
    network_to_one_address(std::shared_ptr<network> next, asio::ip::address to)
        : next_{std::move(next)}, to_{std::move(to)} {}

    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string) override {
        std::vector<asio::ip::address> result{to_};
        co_return result;
    }
    asio::awaitable<std::unique_ptr<stream>> connect(endpoint where) override {
        where.address = to_;
        return next_->connect(where);
    }
    std::unique_ptr<listener> listen(asio::any_io_executor executor, endpoint at) override {
        return next_->listen(std::move(executor), at);
    }

private:
    std::shared_ptr<network> next_;
    asio::ip::address to_;
};

std::string http_01_url(const validation& what, std::uint16_t port) {
    const auto& name = what.identifier.value();
    const bool v6 = name.find(':') != name.npos;
    return "http://" + (v6 ? "[" + name + "]" : name) + ":" + std::to_string(port) + "/.well-known/acme-challenge/" +
        what.token;
}

http_client_options one_request(duration timeout) {
    http_client_options options;
    options.body_max = validator::body_max;
    options.idle_connections_max = 0;
    const auto limit = std::chrono::ceil<std::chrono::milliseconds>(timeout);
    options.resolve_timeout = options.connect_timeout = options.response_timeout = limit;
    return options;
}

}  // namespace

validator::validator(
    std::shared_ptr<clock> time, std::shared_ptr<network> network, std::optional<asio::ip::address> to,
    duration timeout, logger log)
    : clock_{time},
      network_{std::move(network)},
      tls_{tls_client_context::unverified(std::move(time))},
      timeout_{timeout},
      log_{std::move(log)} {
    if (to)
        network_ = std::make_shared<network_to_one_address>(std::move(network_), *to);
}

asio::awaitable<std::optional<problem>> validator::validate(
    validation what, std::uint16_t http_port, std::uint16_t https_port) {
    const bool over_http = what.type == "http-01";
    const auto port = over_http ? http_port : https_port;
    const auto asked = what.type + " of " + what.identifier.value() + " at port " + std::to_string(port);
    std::optional<problem> found;
    try {
        if (over_http)
            found = co_await within(*clock_, timeout_, asked, http_01(what, port));
        else if (what.type == "tls-alpn-01")
            found = co_await within(*clock_, timeout_, asked, tls_alpn_01(what, port));
        else
            found = acme_problem(500, "serverInternal", "this CA cannot validate " + what.type);
    } catch (const std::system_error& why) {
        if (why.code() == asio::error::operation_aborted)
            throw;
        found = to_validation_problem(why.code(), why.what());
    }
    log_(log_level::debug, "{}: {}", asked, found ? found->detail : "valid");
    co_return found;
}

asio::awaitable<std::optional<problem>> validator::http_01(validation what, std::uint16_t port) {
    http_client client{one_request(timeout_), clock_, network_, log_, url_schemes::http_and_https};
    request ask{"GET", http_01_url(what, port)};
    auto answer = co_await client.send(std::move(ask));
    co_return check_http_01(answer, what.key_authorization);
}

asio::awaitable<std::optional<problem>> validator::tls_alpn_01(validation what, std::uint16_t port) {
    auto server_name = to_reverse_arpa(what.identifier);
    if (server_name.empty())
        server_name = what.identifier.value();
    auto connection = co_await connect_any(*network_, *clock_, what.identifier.value(), port, timeout_, timeout_);
    std::vector<std::string> alpn{"acme-tls/1"};
    tls_stream tls{std::move(connection), tls_, server_name, std::move(alpn)};
    co_await tls.handshake();
    auto found = check_tls_alpn_01(
        SSL_get0_peer_certificate(tls.native_handle()), tls.alpn_protocol(), what.identifier, what.key_authorization);
    tls.shutdown_write();
    co_return found;
}

}  // namespace evercert::testing
