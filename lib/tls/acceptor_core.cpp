#include "tls/acceptor_core.hpp"

#include <algorithm>

#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <openssl/ssl.h>

#include "base/channel.hpp"
#include "base/check_time.hpp"
#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/spawn.hpp"

namespace evercert {

namespace {

/// Within a coroutine, since a source may throw before it returns one.
asio::awaitable<certificate_ptr> ask(certificate_source& source, client_hello hello) {
    co_return co_await source.get_certificate(std::move(hello));
}

error as_error(const std::exception_ptr& thrown) {
    const auto why = describe(thrown);
    return {why.code ? why.code : make_error_code(errc::invalid_certificate), why.text};
}

/// Clients that break off or never meant to speak TLS are daily business.
task_group::failure_callback failure_to(const logger& log, const char* what) {
    return [log, what](const std::exception_ptr& thrown) {
        if (log.wants(log_level::debug))
            log(log_level::debug, "{} ended: {}", what, describe(thrown).text);
    };
}

/// What may be in the queue when nobody accepts: no handshake begins beyond `established_max`, but those that have begun end.
std::size_t queue_max(const tls_acceptor_options& options) {
    return options.established_max + options.handshakes.in_progress_max + options.handshakes.awaiting_certificate_max;
}

tls_server_options with_clock(tls_server_options tls, const std::shared_ptr<clock>& time) {
    tls.clock = time;
    return tls;
}

const tls_acceptor_options& checked(const tls_acceptor_options& options) {
    check(options.connections, "connection_limits");
    check(options.handshakes, "tls_handshake_limits");
    if (options.established_max == 0)
        throw error{errc::invalid_options, "tls_acceptor_options::established_max must be above 0"};
    return options;
}

}  // namespace

void check(const connection_limits& limits, const char* owner) {
    if (limits.connections_max == 0)
        throw error{errc::invalid_options, fmt::format("{}::connections_max must be above 0", owner)};
}

void check(const tls_handshake_limits& limits, const char* owner) {
    check_time(limits.timeout, fmt::format("{}::timeout", owner));
    check_time(limits.timeout_when_full, fmt::format("{}::timeout_when_full", owner));
    if (limits.in_progress_max == 0 || limits.awaiting_certificate_max == 0)
        throw error{
            errc::invalid_options,
            fmt::format("{}: in_progress_max and awaiting_certificate_max must be above 0", owner)};
}

/// What is left when a handshake ends, however it does.
class acceptor_core::handshake_in_progress {
public:
    handshake_in_progress(acceptor_core& of, handshake_ptr mine) : of_{of}, mine_{std::move(mine)} {}
    ~handshake_in_progress() {
        mine_->is_about(nullptr);
        of_.watch_.end(mine_);
        of_.made_room();
    }
    handshake_in_progress(const handshake_in_progress&) = delete;

private:
    acceptor_core& of_;
    handshake_ptr mine_;
};

acceptor_core::acceptor_core(
    asio::any_io_executor own, asio::any_io_executor connections, certificate_source& source,
    tls_acceptor_options options, std::shared_ptr<connection_counter> counter, logger log)
    : own_{own},
      connection_executor_{std::move(connections)},
      source_{source},
      options_{checked(options)},
      log_{std::move(log)},
      context_{with_clock(options.tls, options.clock)},
      counter_{std::move(counter)},
      watch_{options.handshakes},
      established_{connection_executor_, queue_max(options)},
      has_room_{own},
      has_handshakes_{own},
      accepting_{own, failure_to(log_, "accepting")},
      handshaking_{own, failure_to(log_, "a connection")} {}

acceptor_core::~acceptor_core() = default;

endpoint acceptor_core::listen(endpoint at) { return listen(options_.network->listen(own_, std::move(at))); }
endpoint acceptor_core::listen(int native_socket) { return listen(listen_on_socket(own_, native_socket)); }

endpoint acceptor_core::listen(std::unique_ptr<listener> listening) {
    auto at = listening->local_endpoint();
    {
        const std::lock_guard lock{mutex_};
        endpoints_.push_back(at);
    }
    asio::post(own_, [self = shared_from_this(), listening = std::move(listening)]() mutable {
        self->begin_to_accept(std::move(listening));
    });
    return at;
}

void acceptor_core::begin_to_accept(std::unique_ptr<listener> listening) {
    if (stopped_)
        return;
    auto& kept = *listeners_.emplace_back(std::move(listening));
    accepting_.spawn(accept_from(shared_from_this(), kept));
    if (!std::exchange(watching_, true))
        accepting_.spawn(watch_deadlines(shared_from_this()));
}

asio::awaitable<void> acceptor_core::accept_from(std::shared_ptr<acceptor_core> self, listener& from) {
    co_await accept_loop(from, *self, self->connection_executor_, self->options_.clock, self->log_);
}

bool acceptor_core::has_room() const noexcept {
    return established_waiting_ < options_.established_max && !watch_.full();
}

asio::awaitable<void> acceptor_core::room() {
    if (has_room())
        co_return;
    struct waiting {
        std::atomic<int>& count;
        explicit waiting(std::atomic<int>& of) : count{of} { ++count; }
        ~waiting() { --count; }
    };
    const waiting counted{want_room_};
    while (!has_room())
        co_await has_room_.wait();
}

void acceptor_core::made_room() {
    if (want_room_ > 0)
        asio::post(own_, [weak = weak_from_this()] {
            if (const auto self = weak.lock())
                self->has_room_.notify_all();
        });
}

bool acceptor_core::is_proxy(const endpoint& peer) const noexcept {
    return std::ranges::any_of(
        options_.trusted_proxies, [&](const address_range& each) { return each.contains(peer.address); });
}

void acceptor_core::refused(const endpoint& client, connection_counter::refusal why) const {
    log_(log_level::debug, "closed a connection of {}: {}", to_string(client), to_text(why));
}

void acceptor_core::accepted(const asio::any_io_executor& strand, std::unique_ptr<stream> connection) {
    const auto peer = connection->remote_endpoint();
    auto counted = std::make_unique<accepted_stream>(std::move(connection));
    // A proxy's connection is its client's, who is not known yet.
    if (!is_proxy(peer)) {
        connection_counter::refusal why{};
        auto permit = counter_->enter(peer.address, true, why);
        if (!permit)
            return refused(peer, why);
        counted->count(std::move(*permit));
    }
    const auto mine = std::make_shared<watched_handshake>(strand);
    watch_.begin(mine, options_.clock->steady());
    has_handshakes_.notify_all();
    handshaking_.spawn(strand, serve(shared_from_this(), mine, std::move(counted)));
}

asio::awaitable<void> acceptor_core::watch_deadlines(std::shared_ptr<acceptor_core> self) {
    auto& time = *self->options_.clock;
    for (;;) {
        const auto look = self->watch_.next_look(time.steady());
        if (look)
            co_await time.sleep_for(std::max(*look - time.steady(), duration{1}));
        else
            co_await self->has_handshakes_.wait();
        for (auto& each : self->watch_.take_expired(time.steady()))
            watched_handshake::expire(std::move(each));
    }
}

asio::awaitable<void> acceptor_core::serve(
    std::shared_ptr<acceptor_core> self, handshake_ptr mine, std::unique_ptr<accepted_stream> connection) {
    const handshake_in_progress counted{*self, mine};
    mine->is_about(connection.get());
    // It is begun within the acceptor's strand, and most of a handshake is done in its first step: others would wait for that.
    co_await asio::post(asio::use_awaitable);
    const auto peer = connection->remote_endpoint();
    const auto ended = co_await as_outcome<void>(self->handshake(mine, std::move(connection)));
    if (mine->expired())
        throw error{errc::timed_out, "the TLS handshake with " + to_string(peer) + " took too long"};
    if (ended.thrown)
        std::rethrow_exception(ended.thrown);
}

asio::awaitable<void> acceptor_core::read_proxy(accepted_stream& connection) {
    auto header = co_await read_proxy_header(connection);
    connection.came_through(std::move(header));
    const auto client = connection.remote_endpoint();
    connection_counter::refusal why{};
    auto permit = counter_->enter(client.address, true, why);
    if (!permit)
        throw error{errc::rate_limited, "a connection of " + to_string(client) + " is closed: " + to_text(why)};
    connection.count(std::move(*permit));
}

asio::awaitable<certificate_ptr> acceptor_core::choose(
    const handshake_ptr& mine, tls_stream& connection, client_hello hello) {
    auto& time = *options_.clock;
    // The CA's own validation waits for nothing, and the others may wait for what comes of it.
    const bool waits = !hello.is_challenge();
    if (waits && !watch_.pause(mine, time.steady())) {
        const error crowded{
            errc::too_many_waiters, "tls_handshake_limits::awaiting_certificate_max handshakes await theirs"};
        co_await connection.refuse(crowded);
        throw crowded;
    }
    if (waits)
        made_room();
    auto chosen = co_await as_outcome<certificate_ptr>(ask(source_, std::move(hello)));
    if (waits)
        watch_.resume(mine, time.steady());
    if (!chosen.thrown)
        co_return std::move(*chosen.value);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() == asio::cancellation_type::none)
        co_await connection.refuse(as_error(chosen.thrown));
    std::rethrow_exception(chosen.thrown);
}

asio::awaitable<void> acceptor_core::handshake(handshake_ptr mine, std::unique_ptr<accepted_stream> accepted) {
    if (is_proxy(accepted->remote_endpoint()))
        co_await read_proxy(*accepted);
    auto& counted = *accepted;
    tls_stream connection{std::move(accepted), context_};
    auto hello = co_await connection.receive_client_hello();
    const bool is_challenge = hello.is_challenge();
    // A CA shows no certificate, and gets nothing that would need one.
    if (is_challenge)
        SSL_set_verify(connection.native_handle(), SSL_VERIFY_NONE, nullptr);
    const certificate_ptr chosen = co_await choose(mine, connection, std::move(hello));
    const auto finished = co_await as_outcome<void>(connection.finish_handshake(chosen));
    const auto result = connection.result();
    if (result && chosen)
        source_.handshake_ended(chosen, *result);
    if (finished.thrown)
        std::rethrow_exception(finished.thrown);
    // RFC 8737, section 3: the validation ends here.
    if (is_challenge)
        co_return connection.shutdown_write();
    counted.handshake_done();
    mine->is_about(nullptr);
    deliver(std::move(connection));
}

void acceptor_core::deliver(tls_stream connection) {
    if (receiver_) {
        asio::dispatch(own_, [self = shared_from_this(), connection = std::move(connection)]() mutable {
            if (!self->stopped_)
                self->receiver_(std::move(connection));
        });
        return;
    }
    auto made = std::make_unique<tls_stream>(std::move(connection));
    const std::lock_guard lock{mutex_};
    // Before it is sent, since who accepts it counts it off. Nobody accepts after `stop()`.
    ++established_waiting_;
    if (stopped_ || !send_to(established_, std::move(made)))
        --established_waiting_;
}

asio::awaitable<tls_stream> acceptor_core::accept(std::shared_ptr<acceptor_core> self) {
    std::error_code failed;
    std::unique_ptr<tls_stream> connection;
    // An empty one says nothing: see `send_to`.
    while (!failed && !connection)
        connection = co_await self->established_.async_receive(asio::redirect_error(asio::use_awaitable, failed));
    if (self->stopped_)
        throw error{errc::stopped, "the TLS acceptor was stopped"};
    if (failed)
        throw std::system_error{asio::error::operation_aborted};
    --self->established_waiting_;
    self->made_room();
    co_return std::move(*connection);
}

/// A channel that is closed keeps what it has, and gives it to nobody.
void acceptor_core::close_unaccepted() noexcept {
    std::vector<std::unique_ptr<tls_stream>> left;
    const std::lock_guard lock{mutex_};
    while (established_.try_receive(
        [&](std::error_code, std::unique_ptr<tls_stream> one) { left.push_back(std::move(one)); }))
        --established_waiting_;
    established_.close();
}

void acceptor_core::stop() noexcept {
    if (stopped_.exchange(true))
        return;
    close_unaccepted();
    asio::post(own_, [self = shared_from_this()] {
        for (const auto& each : self->listeners_)
            each->close();
        self->accepting_.cancel();
        self->handshaking_.close();
    });
}

asio::awaitable<void> acceptor_core::joined() {
    co_await accepting_.join();
    co_await handshaking_.join();
}

asio::awaitable<void> acceptor_core::close(std::shared_ptr<acceptor_core> self) {
    self->stop();
    co_await run_to_end_on(self->own_, self->joined());
}

std::vector<endpoint> acceptor_core::local_endpoints() const {
    const std::lock_guard lock{mutex_};
    return endpoints_;
}

}  // namespace evercert
