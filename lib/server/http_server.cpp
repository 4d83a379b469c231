#include "server/http_server.hpp"

#include <algorithm>
#include <list>
#include <mutex>
#include <optional>
#include <vector>

#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/event.hpp"
#include "base/outcome.hpp"
#include "base/task_group.hpp"
#include "base/within.hpp"
#include "http/server_connection.hpp"
#include "server/tls_accept.hpp"
#include "tls/context.hpp"

namespace evercert {

namespace {

// After an accept that failed (out of descriptors, most likely): from the first, doubled, to the second.
constexpr std::chrono::milliseconds accept_pause_first{10};
constexpr std::chrono::milliseconds accept_pause_max{1000};

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

bool is_abort(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::system_error& e) {
        return e.code() == asio::error::operation_aborted;
    } catch (...) {
        return false;
    }
}

void check(const server_options& options) {
    const auto positive = [](std::chrono::milliseconds limit, const char* name) {
        if (limit <= std::chrono::milliseconds::zero())
            throw error{errc::invalid_options, fmt::format("server_options::{} must be above 0", name)};
    };
    positive(options.handshake_timeout, "handshake_timeout");
    positive(options.head_timeout, "head_timeout");
    positive(options.body_timeout, "body_timeout");
    positive(options.write_timeout, "write_timeout");
    positive(options.idle_timeout, "idle_timeout");
    // A request line, a Host and little else.
    if (options.head_max < 256)
        throw error{errc::invalid_options, "server_options::head_max must be 256 or more"};
    if (options.connections_max == 0)
        throw error{errc::invalid_options, "server_options::connections_max must be above 0"};
    if (options.keep_alive_requests_max < 1)
        throw error{errc::invalid_options, "server_options::keep_alive_requests_max must be above 0"};
}

/// The connections that serve requests, each on its own strand: to be told that the server drains. Thread-safe.
class open_connections {
public:
    using connection_ptr = std::shared_ptr<http_server_connection>;

    /// Until it is destroyed, the connection is listed.
    class listed {
    public:
        listed(open_connections& in, asio::any_io_executor executor, connection_ptr connection) : in_{in} {
            const std::lock_guard lock{in_.mutex_};
            entry_ = in_.entries_.insert(in_.entries_.end(), {std::move(executor), std::move(connection)});
            if (in_.draining_)
                drain(*entry_);
        }
        ~listed() {
            const std::lock_guard lock{in_.mutex_};
            in_.entries_.erase(entry_);
        }
        listed(const listed&) = delete;
        listed& operator=(const listed&) = delete;

    private:
        open_connections& in_;
        std::list<std::pair<asio::any_io_executor, connection_ptr>>::iterator entry_;
    };

    void drain_all() {
        const std::lock_guard lock{mutex_};
        draining_ = true;
        for (const auto& entry : entries_)
            drain(entry);
    }

private:
    using entry = std::pair<asio::any_io_executor, connection_ptr>;

    static void drain(const entry& to) {
        asio::post(to.first, [connection = to.second] { connection->drain(); });
    }

    std::mutex mutex_;
    std::list<entry> entries_;
    bool draining_ = false;
};

}  // namespace

struct http_server::impl : std::enable_shared_from_this<impl> {
    /// What one listener serves.
    struct port {
        std::unique_ptr<listener> listening;
        handler answer;
        certificate_source* source;  ///< null = plain HTTP
    };

    impl(
        asio::any_io_executor own, asio::any_io_executor connections, const server_options& wanted,
        std::shared_ptr<clock> clock, logger logger)
        : options{wanted},
          time{std::move(clock)},
          log{std::move(logger)},
          connection_executor{std::move(connections)},
          stop_requested{own},
          accepting{own, failure_to(log, "accepting")},
          serving{own, failure_to(log, "a connection")} {
        check(options);
    }

    const server_options options;
    const std::shared_ptr<clock> time;
    const logger log;
    const asio::any_io_executor connection_executor;
    std::list<port> ports;
    std::optional<tls_server_context> tls;
    open_connections open;

    event stop_requested;
    bool stopping = false;
    bool full = false;
    duration grace = {};
    task_group accepting;
    task_group serving;

    asio::awaitable<void> run() {
        const auto self = shared_from_this();
        for (auto& port : ports)
            accepting.spawn(accept_loop(self, port));
        outcome<void> waited;
        while (!stopping && !waited.thrown)
            waited = co_await as_outcome<void>(stop_requested.wait());
        bool cancelled = static_cast<bool>(waited.thrown);

        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        for (auto& port : ports)
            port.listening->close();
        accepting.cancel();
        co_await accepting.join();
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
        if (cancelled)
            throw std::system_error{asio::error::operation_aborted};
    }

    /// Connections end by themselves, as far as they do so in time.
    asio::awaitable<void> drain() {
        open.drain_all();
        if (grace > duration::zero())
            co_await as_outcome<void>(within<void>(*time, grace, "draining", serving.wait_empty()));
    }

    static asio::awaitable<void> accept_loop(std::shared_ptr<impl> self, port& from) {
        auto pause = accept_pause_first;
        for (;;) {
            const asio::any_io_executor strand{asio::make_strand(self->connection_executor)};
            auto accepted = co_await as_outcome<std::unique_ptr<stream>>(from.listening->accept(strand));
            if (self->stopping)
                co_return;
            if (!accepted.thrown) {
                pause = accept_pause_first;
                self->admit(strand, std::move(*accepted.value), from);
                continue;
            }
            if (is_abort(accepted.thrown))
                co_return;
            if (pause == accept_pause_first)
                self->log(
                    log_level::warning, "cannot accept on {}: {}", to_string(from.listening->local_endpoint()),
                    text_of(accepted.thrown));
            co_await self->time->sleep_for(pause);
            pause = std::min(pause * 2, accept_pause_max);
        }
    }

    void admit(const asio::any_io_executor& strand, std::unique_ptr<stream> connection, port& from) {
        const bool was_full = std::exchange(full, serving.size() >= options.connections_max);
        if (!full)
            serving.spawn(strand, serve(shared_from_this(), strand, std::move(connection), from));
        else if (!was_full)
            log(log_level::warning, "{} connections are open; closing new ones", serving.size());
    }

    static asio::awaitable<void> serve(
        std::shared_ptr<impl> self, asio::any_io_executor strand, std::unique_ptr<stream> connection, port& from) {
        std::string server_name;
        if (from.source) {
            auto accepted = co_await accept_tls(
                std::move(connection), *self->tls, *from.source, self->time, self->options.handshake_timeout);
            if (accepted.is_challenge) {
                accepted.connection->shutdown_write();
                co_return;
            }
            connection = std::move(accepted.connection);
            server_name = std::move(accepted.server_name);
        }
        auto served = std::make_shared<http_server_connection>(
            std::move(connection), std::move(server_name), from.answer, self->options, self->time, self->log);
        const open_connections::listed listed{self->open, strand, served};
        co_await served->run();
    }
};

http_server::http_server(
    asio::any_io_executor own, asio::any_io_executor connections, const server_options& options,
    std::shared_ptr<clock> time, logger log)
    : impl_{std::make_shared<impl>(std::move(own), std::move(connections), options, std::move(time), std::move(log))} {}

http_server::~http_server() = default;

void http_server::add(std::unique_ptr<listener> listening, handler answer) {
    impl_->ports.push_back({std::move(listening), std::move(answer), nullptr});
}

void http_server::add(std::unique_ptr<listener> listening, handler answer, certificate_source& source) {
    if (!impl_->tls)
        impl_->tls.emplace(std::vector<std::string>{"http/1.1"});
    impl_->ports.push_back({std::move(listening), std::move(answer), &source});
}

asio::awaitable<void> http_server::run() { return impl_->run(); }

void http_server::stop(duration grace) {
    impl_->stopping = true;
    impl_->grace = grace;
    impl_->stop_requested.notify_all();
}

std::size_t http_server::connections() const noexcept { return impl_->serving.size(); }

}  // namespace evercert
