#include "server/http_server.hpp"

#include <algorithm>
#include <list>
#include <vector>

#include <asio/error.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <fmt/format.h>
#include <openssl/ssl.h>

#include <evercert/error.hpp>
#include <evercert/tls_stream.hpp>

#include "base/accept_loop.hpp"
#include "base/accepted_stream.hpp"
#include "base/check_time.hpp"
#include "base/connection_counter.hpp"
#include "base/event.hpp"
#include "base/outcome.hpp"
#include "base/spawn.hpp"
#include "base/task_group.hpp"
#include "base/within.hpp"
#include "http/server_connection.hpp"
#include "tls/acceptor_core.hpp"

namespace evercert {

namespace {

std::string text_of(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const error& e) {
        return e.what();
    } catch (const std::exception& e) {
        return evercert::quoted(e.what());
    } catch (...) {
        return "something that is no std::exception";
    }
}

// Clients that break off or never meant to speak TLS are daily business.
task_group::failure_callback failure_to(const logger& log, const char* what) {
    return
        [log, what](const std::exception_ptr& thrown) { log(log_level::debug, "{} ended: {}", what, text_of(thrown)); };
}

const server_options& checked(const server_options& options) {
    check_time(options.head_timeout, "server_options::head_timeout");
    check_time(options.body_timeout, "server_options::body_timeout");
    check_time(options.write_timeout, "server_options::write_timeout");
    check_time(options.idle_timeout, "server_options::idle_timeout");
    check_time(options.request_timeout, "server_options::request_timeout");
    check_time_or_zero(options.stop_grace, "server_options::stop_grace");
    check_time_or_zero(options.rate_grace, "server_options::rate_grace");
    check_time_or_zero(options.hsts_max_age, "server_options::hsts_max_age");
    // A Host field with a long name.
    if (options.fields_max == 0 || options.field_max < 300)
        throw error{errc::invalid_options, "server_options::fields_max must be above 0 and field_max 300 or more"};
    // A request line, a Host and little else.
    if (options.head_max < 256)
        throw error{errc::invalid_options, "server_options::head_max must be 256 or more"};
    check(options.connections, "server_options::connections");
    check(options.handshakes, "server_options::handshakes");
    if (options.keep_alive_requests_max < 1)
        throw error{errc::invalid_options, "server_options::keep_alive_requests_max must be above 0"};
    return options;
}

}  // namespace

struct http_server::impl : std::enable_shared_from_this<impl> {
    /// A listener of plain HTTP.
    class plain_port final : public acceptance {
    public:
        plain_port(impl& of, std::unique_ptr<listener> listening, handler answer)
            : of_{of}, listening_{std::move(listening)}, answer_{std::move(answer)} {}

        listener& listening() noexcept { return *listening_; }
        asio::awaitable<void> room() override { co_return; }
        void accepted(const asio::any_io_executor& strand, std::unique_ptr<stream> connection) override {
            of_.admit(strand, std::move(connection), answer_);
        }

    private:
        impl& of_;
        std::unique_ptr<listener> listening_;
        handler answer_;
    };
    struct tls_port {
        std::unique_ptr<listener> listening;
        std::shared_ptr<acceptor_core> acceptor;
        handler answer;
    };

    impl(
        asio::any_io_executor own, asio::any_io_executor connections, const server_options& wanted,
        std::shared_ptr<clock> clock, logger logger)
        : service{std::make_shared<const http_service>(own, checked(wanted), std::move(clock), std::move(logger))},
          options{service->options},
          time{service->time},
          log{service->log},
          own{own},
          connection_executor{std::move(connections)},
          counter{std::make_shared<connection_counter>(wanted.connections, wanted.handshakes.per_address_max)},
          stop_requested{own},
          watching{own},
          accepting{own, failure_to(log, "accepting")},
          serving{own, failure_to(log, "a connection")} {}

    ~impl() {
        for (const auto& port : tls_ports)
            port.acceptor->stop();
    }

    const std::shared_ptr<const http_service> service;
    const server_options& options;
    const std::shared_ptr<clock>& time;
    const logger& log;
    const asio::any_io_executor own;
    const asio::any_io_executor connection_executor;
    const std::shared_ptr<connection_counter> counter;
    std::list<plain_port> plain_ports;
    std::list<tls_port> tls_ports;

    event stop_requested;
    bool stopping = false;
    duration grace = {};
    task_group watching;
    task_group accepting;
    task_group serving;

    asio::awaitable<void> run() {
        const auto self = shared_from_this();
        watching.spawn(service->watch->run());
        for (auto& port : plain_ports)
            accepting.spawn(accept_plain(self, port));
        for (auto& port : tls_ports) {
            port.acceptor->deliver_to([weak = weak_from_this(), &port](tls_stream established) {
                if (const auto of = weak.lock())
                    of->serve_secure(std::move(established), port.answer);
            });
            port.acceptor->listen(std::move(port.listening));
        }
        outcome<void> waited;
        while (!stopping && !waited.thrown)
            waited = co_await as_outcome<void>(stop_requested.wait());
        const auto before = co_await asio::this_coro::cancellation_state;
        bool cancelled = waited.thrown || before.cancelled() != asio::cancellation_type::none;
        // What comes while acceptors end is noted: disabled, it would be lost, and the drain would take its time.
        const auto note = [&cancelled](asio::cancellation_type) {
            cancelled = true;
            return asio::cancellation_type::none;
        };
        co_await asio::this_coro::reset_cancellation_state(note);
        for (auto& port : plain_ports)
            port.listening().close();
        for (auto& port : tls_ports)
            port.acceptor->stop();
        accepting.cancel();
        co_await accepting.wait_empty();
        co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
        if (!cancelled) {
            co_await drain();
            const auto state = co_await asio::this_coro::cancellation_state;
            cancelled = state.cancelled() != asio::cancellation_type::none;
        }
        if (serving.size() > 0)
            log(log_level::info, "closing {} connections that are in use", serving.size());
        serving.cancel();
        co_await serving.join();
        for (auto& port : tls_ports)
            co_await acceptor_core::close(port.acceptor);
        watching.cancel();
        co_await watching.join();
        if (cancelled)
            throw std::system_error{asio::error::operation_aborted};
    }

    /// Connections end by themselves, as far as they do so in time.
    asio::awaitable<void> drain() {
        service->watch->drain_all();
        if (grace > duration::zero())
            co_await as_outcome<void>(within<void>(*time, grace, "draining", serving.wait_empty()));
    }

    static asio::awaitable<void> accept_plain(std::shared_ptr<impl> self, plain_port& from) {
        co_await accept_loop(from.listening(), from, self->connection_executor, self->time, self->log);
    }

    void serve_secure(tls_stream established, const handler& answer) {
        http_peer peer;
        peer.server_name = established.server_name();
        peer.tls_version = SSL_get_version(established.native_handle());
        serve(std::make_unique<tls_stream>(std::move(established)), std::move(peer), answer);
    }

    bool is_proxy(const endpoint& peer) const noexcept {
        return std::ranges::any_of(
            options.trusted_proxies, [&](const address_range& each) { return each.contains(peer.address); });
    }

    bool count(accepted_stream& connection) const {
        const auto client = connection.remote_endpoint();
        connection_counter::refusal why{};
        auto permit = counter->enter(client.address, false, why);
        if (permit)
            connection.count(std::move(*permit));
        else
            log(log_level::debug, "closed a connection of {}: {}", to_string(client), to_text(why));
        return permit.has_value();
    }

    void admit(const asio::any_io_executor& strand, std::unique_ptr<stream> connection, const handler& answer) {
        auto counted = std::make_unique<accepted_stream>(std::move(connection));
        if (is_proxy(counted->remote_endpoint()))
            proxied(strand, std::move(counted), answer);
        else if (count(*counted))
            serve(std::move(counted), {}, answer);
    }

    void proxied(
        const asio::any_io_executor& strand, std::unique_ptr<accepted_stream> connection, const handler& answer) {
        auto own = std::make_shared<remote_cancellation>(strand);
        auto serving_it = serve_proxied(shared_from_this(), own, std::move(connection), answer);
        serving.spawn(std::move(own), std::move(serving_it));
    }

    static asio::awaitable<void> serve_proxied(
        std::shared_ptr<impl> self, std::shared_ptr<remote_cancellation> own,
        std::unique_ptr<accepted_stream> connection, const handler& answer) {
        const auto what = "the PROXY header of " + to_string(connection->remote_endpoint());
        auto header = co_await within<received_proxy_header>(
            *self->time, self->options.head_timeout, what, read_proxy_header(*connection));
        connection->came_through(std::move(header));
        if (!self->count(*connection))
            co_return;
        auto served = self->make_connection(std::move(connection), {}, answer);
        co_await http_server_connection::run(std::move(served), std::move(own));
    }

    /// It keeps all of this alive.
    std::shared_ptr<http_server_connection> make_connection(
        std::unique_ptr<stream> connection, http_peer peer, const handler& answer) {
        std::shared_ptr<const handler> kept{shared_from_this(), &answer};
        return std::make_shared<http_server_connection>(
            std::move(connection), std::move(peer), std::move(kept), service);
    }

    void serve(std::unique_ptr<stream> connection, http_peer peer, const handler& answer) {
        http_server_connection::start(make_connection(std::move(connection), std::move(peer), answer), serving);
    }
};

http_server::http_server(
    asio::any_io_executor own, asio::any_io_executor connections, const server_options& options,
    std::shared_ptr<clock> time, logger log)
    : impl_{std::make_shared<impl>(std::move(own), std::move(connections), options, std::move(time), std::move(log))} {}

http_server::~http_server() = default;

void http_server::add(std::unique_ptr<listener> listening, handler answer) {
    impl_->plain_ports.emplace_back(*impl_, std::move(listening), std::move(answer));
}

void http_server::add(std::unique_ptr<listener> listening, handler answer, certificate_source& source) {
    tls_acceptor_options options;
    options.tls = impl_->options.tls;
    options.tls.alpn_protocols = {"http/1.1"};
    options.connections = impl_->options.connections;
    options.handshakes = impl_->options.handshakes;
    options.trusted_proxies = impl_->options.trusted_proxies;
    options.clock = impl_->time;
    auto acceptor = std::make_shared<acceptor_core>(
        impl_->own, impl_->connection_executor, source, std::move(options), impl_->counter, impl_->log);
    impl_->tls_ports.push_back({std::move(listening), std::move(acceptor), std::move(answer)});
}

asio::awaitable<void> http_server::run() { return impl_->run(); }

void http_server::stop(duration grace) {
    impl_->stopping = true;
    impl_->grace = grace;
    impl_->stop_requested.notify_all();
}

std::size_t http_server::connections() const noexcept { return impl_->counter->connections(); }

}  // namespace evercert
