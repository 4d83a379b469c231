#include "http/server_connection.hpp"

#include <algorithm>
#include <array>

#include <asio/error.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/this_coro.hpp>

#include <evercert/error.hpp>

#include "base/event.hpp"
#include "base/outcome.hpp"
#include "base/stream_io.hpp"
#include "base/within.hpp"
#include "http/http1.hpp"

namespace evercert {

namespace {

// What is read at once, and what may wait unread while a handler works: a TLS record.
constexpr std::size_t read_size = 16 << 10;
constexpr std::size_t input_max = 16 << 10;
// A body up to this goes with the head in one write.
constexpr std::size_t joined_body_max = 16 << 10;

// A client that has closed its side while its answer is being made may only have closed its half (printf | nc),
// or be gone: TCP does not tell. It has this long.
constexpr std::chrono::seconds half_closed_grace{5};

// RFC 9112, section 9.6: read on after the last answer, or its tail is lost to a reset. How long, and how much.
constexpr std::chrono::seconds linger_timeout{5};
constexpr std::size_t linger_max = 256 << 10;

bool is_no_answer(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const no_answer&) {
        return true;
    } catch (...) {
        return false;
    }
}

std::string describe(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
        return evercert::quoted(e.what());
    } catch (...) {
        return "something that is no std::exception";
    }
}

}  // namespace

/// Three coroutines share a connection: `receive` reads, so that an end of the connection is noticed whatever
/// else goes on; `serve` decodes, asks the handler and writes; `watch` ends what takes too long. The first that
/// ends, ends all.
struct http_server_connection::impl {
    impl(
        std::unique_ptr<stream> on, std::string server_name, handler answer, const server_options& options,
        std::shared_ptr<clock> time, logger log)
        : connection{std::move(on)},
          server_name{std::move(server_name)},
          answer{std::move(answer)},
          options{options},
          time{std::move(time)},
          log{std::move(log)},
          local{connection->local_endpoint()},
          remote{connection->remote_endpoint()},
          changed{connection->get_executor()},
          room{connection->get_executor()} {}

    enum class phase { idle, head, body, handling, writing, lingering };

    std::unique_ptr<stream> connection;
    std::string server_name;
    handler answer;
    server_options options;
    std::shared_ptr<clock> time;
    logger log;
    endpoint local;
    endpoint remote;

    std::string input;  ///< came and was not decoded so far
    event changed;      ///< for `serve`: input, its end, drain, expiry
    event room;         ///< for `receive`: input was taken
    bool ended = false;
    bool draining = false;
    bool expired = false;
    std::size_t lingered = 0;
    phase now = phase::idle;
    steady_time deadline = steady_time::max();

    void enter(phase next) {
        now = next;
        deadline = steady_time::max();
        if (const auto limit = limit_of(next); limit > duration::zero())
            deadline = time->steady() + limit;
    }

    /// 0 = none.
    duration limit_of(phase what) const {
        switch (what) {
        case phase::idle: return options.idle_timeout;
        case phase::head: return options.head_timeout;
        case phase::body: return options.body_timeout;
        case phase::writing: return options.write_timeout;
        case phase::handling: return ended ? half_closed_grace : duration::zero();
        case phase::lingering: return linger_timeout;
        }
        return duration::zero();
    }

    // --- receive

    asio::awaitable<void> receive() {
        for (;;) {
            if (now != phase::lingering && input.size() >= input_max) {
                co_await room.wait();
                continue;
            }
            const auto why = take_input();
            if (!why)
                continue;
            if (why == asio::error::would_block) {
                co_await connection->wait_readable();
                continue;
            }
            if (why != asio::error::eof)
                co_return;
            break;
        }
        ended = true;
        if (now == phase::handling)
            enter(phase::handling);
        changed.notify_all();
        for (;;)
            co_await room.wait();
    }

    // The buffer is on the stack of a function that does not suspend: a connection that waits has none.
    std::error_code take_input() {
        std::array<std::byte, read_size> buffer;
        const auto result = connection->try_read(buffer);
        if (result.error)
            return result.error;
        if (now == phase::lingering) {
            lingered += result.size;
            return lingered > linger_max ? make_error_code(errc::body_too_large) : std::error_code{};
        }
        input.append(reinterpret_cast<const char*>(buffer.data()), result.size);
        changed.notify_all();
        return {};
    }

    // --- watch

    /// It never sleeps longer than the shortest limit, so a deadline that is set while it sleeps is never missed.
    asio::awaitable<void> watch() {
        duration slice = half_closed_grace;
        for (const auto each : {phase::idle, phase::head, phase::body, phase::writing, phase::lingering})
            slice = std::min(slice, limit_of(each));
        for (;;) {
            const auto moment = time->steady();
            if (moment < deadline) {
                co_await time->sleep_for(std::min(deadline - moment, slice));
                continue;
            }
            if (now != phase::head && now != phase::body)
                co_return;
            expired = true;
            enter(phase::writing);
            changed.notify_all();
        }
    }

    // --- serve

    asio::awaitable<void> serve() {
        for (int served = 1;; ++served) {
            http1_request_decoder decoder{http1_limits{options.head_max, options.body_max}};
            const bool came = co_await read_request(decoder);
            if (!came)
                co_return;
            if (!decoder.complete()) {
                co_await refuse(decoder);
                co_return;
            }
            const bool client_keeps = decoder.keep_alive();
            const bool to_head = decoder.message().method == "HEAD";
            auto response = co_await call_handler(std::move(decoder.message()));
            const bool more_can_come = !ended || !input.empty();
            const bool keeps = client_keeps && more_can_come && !draining && served < options.keep_alive_requests_max;
            co_await write(response, keeps, to_head);
            if (keeps)
                continue;
            if (client_keeps || !input.empty())
                co_await linger();
            else
                connection->shutdown_write();
            co_return;
        }
    }

    /// False if there is none to answer.
    asio::awaitable<bool> read_request(http1_request_decoder& decoder) {
        enter(phase::idle);
        for (;;) {
            if (!input.empty()) {
                input.erase(0, decoder.feed(input));
                room.notify_all();
            }
            if (decoder.failure() || decoder.complete() || expired)
                co_return true;
            if (ended || (draining && !decoder.started()))
                co_return false;
            if (now == phase::idle && decoder.started())
                enter(phase::head);
            if (now == phase::head && decoder.head_complete()) {
                enter(phase::body);
                if (decoder.expects_continue())
                    co_await write_all(*connection, std::string_view{"HTTP/1.1 100 Continue\r\n\r\n"});
            }
            if (!input.empty())
                continue;
            if (now == phase::idle)
                std::string{}.swap(input);
            co_await changed.wait();
        }
    }

    asio::awaitable<response> call_handler(request message) {
        enter(phase::handling);
        message.server_name = server_name;
        message.local = local;
        message.remote = remote;
        const std::string what =
            log.wants(log_level::error) ? message.method + " " + evercert::quoted(message.target) : "";
        auto result = co_await as_outcome<response>(answer(std::move(message)));
        if (!result.thrown)
            co_return std::move(*result.value);
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none || is_no_answer(result.thrown))
            std::rethrow_exception(result.thrown);
        log(log_level::error, "the handler of {} threw: {}", what, describe(result.thrown));
        co_return response{500};
    }

    asio::awaitable<void> write(const response& message, bool keeps, bool to_head) {
        enter(phase::writing);
        std::string wire;
        std::string_view body = message.body;
        try {
            wire = encode_response_head(message, keeps, time->wall());
        } catch (const error& e) {
            log(log_level::error, "an answer to {} cannot be sent: {}", to_string(remote), e.what());
            wire = encode_response_head(response{500, std::string{}}, keeps, time->wall());
            body = {};
        }
        if (to_head || has_no_body(message.status))
            body = {};
        if (body.size() <= joined_body_max)
            wire.append(std::exchange(body, {}));
        co_await write_all(*connection, wire);
        if (!body.empty())
            co_await write_all(*connection, body);
    }

    asio::awaitable<void> refuse(const http1_request_decoder& decoder) {
        http1_failure why{408, "it took too long (RFC 9110, section 15.5.9)"};
        if (decoder.failure())
            why = *decoder.failure();
        log(log_level::debug, "refused a request of {}: {}", to_string(remote), why.what);
        const response answer{why.status};
        co_await write(answer, false, false);
        co_await linger();
    }

    asio::awaitable<void> linger() {
        connection->shutdown_write();
        enter(phase::lingering);
        input.clear();
        room.notify_all();
        while (!ended)
            co_await changed.wait();
    }

    asio::awaitable<void> run() {
        using namespace asio::experimental::awaitable_operators;
        enter(phase::idle);
        co_await (as_outcome<void>(serve()) || as_outcome<void>(receive()) || as_outcome<void>(watch()));
        if (now == phase::idle)
            connection->shutdown_write();
        connection->close();
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            throw std::system_error{asio::error::operation_aborted};
    }
};

http_server_connection::http_server_connection(
    std::unique_ptr<stream> connection, std::string server_name, handler answer, const server_options& options,
    std::shared_ptr<clock> time, logger log)
    : impl_{std::make_unique<impl>(
          std::move(connection), std::move(server_name), std::move(answer), options, std::move(time), std::move(log))} {
}
http_server_connection::~http_server_connection() = default;

asio::awaitable<void> http_server_connection::run() { return impl_->run(); }

void http_server_connection::drain() {
    impl_->draining = true;
    impl_->changed.notify_all();
}

}  // namespace evercert
