#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include <asio/experimental/concurrent_channel.hpp>

#include <evercert/certificate_source.hpp>
#include <evercert/tls_acceptor_options.hpp>
#include <evercert/tls_stream.hpp>

#include "base/accept_loop.hpp"
#include "base/accepted_stream.hpp"
#include "base/connection_counter.hpp"
#include "base/event.hpp"
#include "base/log.hpp"
#include "base/task_group.hpp"
#include "tls/handshake_watch.hpp"

namespace evercert {

/// Throw `errc::invalid_options` for a limit that is out of range. `owner` is the type that it stands in.
void check(const connection_limits&, const char* owner);
void check(const tls_handshake_limits&, const char* owner);

/// What a `tls_acceptor` is: listeners, the handshakes of their connections, and the connections that nobody has accepted. Its
/// own work is on the strand `own`, where `listen` with a listener has to be called; everything else is thread-safe.
class acceptor_core final : public acceptance, public std::enable_shared_from_this<acceptor_core> {
public:
    acceptor_core(
        asio::any_io_executor own, asio::any_io_executor connections, certificate_source&, tls_acceptor_options,
        std::shared_ptr<connection_counter>, logger);
    ~acceptor_core();

    endpoint listen(endpoint at);
    endpoint listen(int native_socket);
    /// One that is bound to `own`.
    endpoint listen(std::unique_ptr<listener>);
    /// Who takes each connection on `own` when it is established, until `stop()`; nobody calls `accept` then. Before `listen`.
    using receiver = std::function<void(tls_stream)>;
    void deliver_to(receiver established) { receiver_ = std::move(established); }

    /// These keep it alive, since whoever has it may go meanwhile.
    static asio::awaitable<tls_stream> accept(std::shared_ptr<acceptor_core>);
    static asio::awaitable<void> close(std::shared_ptr<acceptor_core>);
    void stop() noexcept;

    const tls_server_context& context() const noexcept { return context_; }
    std::vector<endpoint> local_endpoints() const;
    std::size_t handshakes() const noexcept { return watch_.size(); }
    std::size_t connections() const noexcept { return counter_->connections(); }

private:
    using queue = asio::experimental::concurrent_channel<
        asio::any_io_executor, void(std::error_code, std::unique_ptr<tls_stream>)>;
    using handshake_ptr = handshake_watch::handshake_ptr;
    class handshake_in_progress;

    // acceptance
    asio::awaitable<void> room() override;
    void accepted(const asio::any_io_executor& strand, std::unique_ptr<stream>) override;

    bool has_room() const noexcept;
    /// From any thread.
    void made_room();
    void refused(const endpoint& client, connection_counter::refusal) const;
    void begin_to_accept(std::unique_ptr<listener>);
    asio::awaitable<void> joined();
    bool is_proxy(const endpoint&) const noexcept;

    static asio::awaitable<void> accept_from(std::shared_ptr<acceptor_core>, listener&);
    static asio::awaitable<void> watch_deadlines(std::shared_ptr<acceptor_core>);
    static asio::awaitable<void> serve(std::shared_ptr<acceptor_core>, handshake_ptr, std::unique_ptr<accepted_stream>);
    asio::awaitable<void> handshake(handshake_ptr, std::unique_ptr<accepted_stream>);
    asio::awaitable<void> read_proxy(accepted_stream&);
    asio::awaitable<certificate_ptr> choose(const handshake_ptr&, tls_stream&, client_hello);
    void deliver(tls_stream);
    void close_unaccepted() noexcept;

    const asio::any_io_executor own_;
    const asio::any_io_executor connection_executor_;
    certificate_source& source_;
    const tls_acceptor_options options_;
    const logger log_;
    const tls_server_context context_;
    const std::shared_ptr<connection_counter> counter_;
    handshake_watch watch_;
    receiver receiver_;
    queue established_;
    std::atomic<std::size_t> established_waiting_ = 0;
    std::atomic<int> want_room_ = 0;  ///< accept loops that wait
    std::atomic<bool> stopped_ = false;

    mutable std::mutex mutex_;  ///< of the endpoints; and between what is delivered and `stop()`
    std::vector<endpoint> endpoints_;

    // On `own_`:
    event has_room_;
    event has_handshakes_;
    bool watching_ = false;
    std::list<std::unique_ptr<listener>> listeners_;
    task_group accepting_;
    task_group handshaking_;
};

}  // namespace evercert
