#pragma once

#include <memory>

#include <asio/awaitable.hpp>

#include <evercert/http.hpp>
#include <evercert/network.hpp>

#include "base/task_group.hpp"
#include "http/server_exchange.hpp"
#include "http/server_io.hpp"

namespace evercert {

/// HTTP/1.1 on a connection that stands: reads requests, calls the handler, writes what it answers,
/// until the peer or a bound ends it. Keep-alive, pipelining (one at a time). Malformed requests get
/// their 4xx and the connection closes.
///
/// `drain()` ends it after the answer in progress ("Connection: close"), or at once if there is none.
class http_server_connection final : public server_io {
public:
    http_server_connection(
        std::unique_ptr<stream>, http_peer, std::shared_ptr<const handler> answer, std::shared_ptr<const http_service>);

    /// Run it as a child of `group`, on the stream's executor.
    static void start(std::shared_ptr<http_server_connection>, task_group& group);
    /// Inside of a coroutine that `own` interrupts. Never throws but for cancellation, which closes the connection.
    static asio::awaitable<void> run(
        std::shared_ptr<http_server_connection> self, std::shared_ptr<remote_cancellation> own);

private:
    asio::awaitable<void> serve();
    asio::awaitable<bool> serve_one(const http1_head_scanner&, bool may_keep);
    asio::awaitable<void> refuse(http1_failure why);
    void record_refusal(const response& answer);

    const http_peer peer_;
    const std::shared_ptr<const handler> answer_;
};

}  // namespace evercert
