#pragma once

#include <memory>

#include <asio/awaitable.hpp>

#include <evercert/clock.hpp>
#include <evercert/http.hpp>
#include <evercert/network.hpp>
#include <evercert/server_options.hpp>

#include "base/log.hpp"

namespace evercert {

/// What a handler throws if the connection is to close instead of carrying an answer.
struct no_answer {};

/// Serve HTTP/1.1 on a connection that stands: read requests, call the handler, write what it answers,
/// until the peer or a bound ends it. Keep-alive, pipelining (one at a time), timeouts. Malformed requests get
/// their 4xx and the connection closes. Never throws but for cancellation, which closes the connection.
///
/// `draining` is read between requests: true ends the connection after the answer in progress ("Connection: close").
class http_server_connection {
public:
    http_server_connection(
        std::unique_ptr<stream>, std::string server_name, handler, const server_options&, std::shared_ptr<clock>,
        logger);
    ~http_server_connection();

    asio::awaitable<void> run();
    /// End after the answer in progress, or at once if there is none. On the connection's executor.
    void drain();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace evercert
