#include "http/server_connection.hpp"

#include <system_error>

#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

namespace evercert {

http_server_connection::http_server_connection(
    std::unique_ptr<stream> connection, http_peer peer, std::shared_ptr<const handler> answer,
    std::shared_ptr<const http_service> service)
    : server_io{std::move(connection), std::move(service)}, peer_{std::move(peer)}, answer_{std::move(answer)} {}

void http_server_connection::start(std::shared_ptr<http_server_connection> self, task_group& group) {
    const auto own = std::make_shared<remote_cancellation>(self->executor());
    auto running = run(std::move(self), own);
    group.spawn(own, std::move(running));
}

asio::awaitable<void> http_server_connection::run(
    std::shared_ptr<http_server_connection> self, std::shared_ptr<remote_cancellation> own) {
    self->run_as(own);
    self->enter_idle();
    const connection_watch::entry watched{self->service().watch, *self};
    // What ends a connection is its own business: a reset, a limit, an answer that was cut short.
    bool cleanly = true;
    try {
        // Begun within the server's strand: a handler that computes would keep other connections from being served.
        co_await asio::post(asio::use_awaitable);
        co_await self->serve();
    } catch (...) {
        cleanly = false;
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (self->has_lookout())
        co_await self->end_lookout();
    self->close(cleanly);
    if (own->asked())
        throw std::system_error{asio::error::operation_aborted};
}

asio::awaitable<void> http_server_connection::serve() {
    for (int served = 1;; ++served) {
        http1_head_scanner scanner{service().limits};
        for (scanner.scan(input()); !scanner.complete() && !scanner.failure(); scanner.scan(input())) {
            if (scanner.started())
                enter_head();
            const auto came = drained() ? received::nothing : receive();
            if (came == received::some)
                continue;
            if (came != received::nothing || (draining() && !scanner.started()))
                co_return;
            const bool in_time = co_await wait_head();
            if (in_time)
                continue;
            const http1_failure slow{408, "its head came too slowly (RFC 9110, section 15.5.9)"};
            co_return co_await refuse(slow);
        }
        const bool keeps = co_await serve_one(scanner, served < service().options.keep_alive_requests_max);
        if (!keeps)
            co_return;
        if (has_lookout())
            co_await end_lookout();
        enter_idle();
    }
}

/// In a frame of its own, which an idle connection does not have.
asio::awaitable<bool> http_server_connection::serve_one(const http1_head_scanner& scanner, bool may_keep) {
    auto failure = scanner.failure();
    http1_request request;
    if (!failure)
        failure = read_request_head(take_input(scanner.begin(), scanner.end()), service().limits, request);
    if (failure) {
        co_await refuse(*failure);
        co_return false;
    }
    // What it sends after our end would have the system throw away the answer (RFC 9112, section 9.6).
    bool may_send_more = request.keep_alive;
    bool keeps = false;
    {
        server_exchange exchange{*this, peer_, std::move(request), may_keep};
        std::exception_ptr thrown;
        try {
            keeps = co_await exchange.run(*answer_);
        } catch (...) {
            thrown = std::current_exception();
        }
        exchange.record_access();
        may_send_more = may_send_more || !exchange.has_whole_body();
        if (exchange.is_read()) {
            co_await exchange.end_reads();
            keeps = may_send_more = false;
        }
        if (thrown)
            std::rethrow_exception(thrown);
    }
    if (!keeps && !closed() && (may_send_more || !input().empty())) {
        // It waits for what linger() waits for.
        if (has_lookout())
            co_await end_lookout();
        co_await linger();
    }
    co_return keeps;
}

asio::awaitable<void> http_server_connection::refuse(http1_failure why) {
    const auto& log = service().log;
    if (log.wants(log_level::debug))
        log(log_level::debug, "refused a request of {}: {}", to_string(connection().remote_endpoint()), why.what);
    response answer{why.status};
    add_hsts(service().options, peer_, answer);
    record_refusal(answer);
    const auto wire = encode_response_head(answer, false, service().time->wall()) + answer.body;
    pace client;
    co_await write_rest(wire, client);
    co_await linger();
}

void http_server_connection::record_refusal(const response& answer) {
    if (!service().options.access_log)
        return;
    access_record record;
    record.when = service().time->wall();
    record.remote = connection().remote_endpoint();
    record.local = connection().local_endpoint();
    record.tls_version = peer_.tls_version;
    record.server_name = peer_.server_name;
    record.status = answer.status;
    record.sent = answer.body.size();
    tell_access(record);
}

}  // namespace evercert
