#pragma once

#include <memory>

#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>
#include <evercert/http.hpp>
#include <evercert/http_client_options.hpp>
#include <evercert/network.hpp>

#include "base/log.hpp"

namespace evercert {

/// An HTTPS client with connection reuse. `https` alone: what evercert asks for is never public
/// enough for plain HTTP, but see `allow_plain_http` for validations. Thread-bound; several requests may be in progress at once, each on a
/// connection of its own.
class http_client {
public:
    http_client(http_client_options, std::shared_ptr<clock>, std::shared_ptr<network>, logger);
    ~http_client();
    http_client(http_client&&) noexcept;
    http_client& operator=(http_client&&) noexcept;

    /// `request.target` is an absolute URL. Redirects are not followed: the answer is the caller's. A request that
    /// fails on a reused connection before any byte of the answer came is sent once more on a new one
    /// if its method is safe; a POST is repeated only if the server closed before it could have read it.
    /// Throws `error`: `resolve_failed`, `connect_failed`, `peer_untrusted`, `tls_failed`, `timed_out`,
    /// `connection_closed`, `http_malformed`, `body_too_large`.
    asio::awaitable<response> send(request);

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace evercert
