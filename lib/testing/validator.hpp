#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <asio/awaitable.hpp>
#include <asio/ip/address.hpp>

#include <evercert/clock.hpp>
#include <evercert/error.hpp>
#include <evercert/network.hpp>
#include <evercert/tls_context.hpp>

#include "base/log.hpp"
#include "testing/ca_records.hpp"

namespace evercert::testing {

/// Connects to the servers whose names are to be proved. Reentrant.
class validator {
public:
    /// A key authorization has 87 bytes; this leaves room for an error page that is worth quoting.
    static constexpr std::size_t body_max = 4096;

    /// `to`: what every name resolves to; none = what the network says.
    validator(
        std::shared_ptr<clock>, std::shared_ptr<network>, std::optional<asio::ip::address> to, duration timeout,
        logger log);

    /// The problem that the client is told; none if the name is proved. Throws for cancellation alone.
    asio::awaitable<std::optional<problem>> validate(
        validation what, std::uint16_t http_port, std::uint16_t https_port);

private:
    asio::awaitable<std::optional<problem>> http_01(validation what, std::uint16_t port);
    asio::awaitable<std::optional<problem>> tls_alpn_01(validation what, std::uint16_t port);

    std::shared_ptr<clock> clock_;
    std::shared_ptr<network> network_;
    tls_client_context tls_;
    duration timeout_;
    logger log_;
};

}  // namespace evercert::testing
