#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

#include <evercert/network.hpp>

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "http/connection_watch.hpp"
#include "http/http1_head.hpp"
#include "http/pace.hpp"

namespace evercert {

/// What the connections of a server share.
struct http_service {
    http_service(asio::any_io_executor own, const server_options&, std::shared_ptr<clock>, logger);

    const server_options options;
    const std::shared_ptr<clock> time;
    const logger log;
    const http1_limits limits;
    const pace_limits body_pace;
    const pace_limits write_pace;
    const std::shared_ptr<connection_watch> watch;
};

/// A server's side of a connection without HTTP: its input, which has no buffer while nothing comes; output; and the
/// deadlines of both.
///
/// One coroutine does all of it. While a handler is busy with something else for longer than a moment, a second one
/// waits for the client's end, and cancels the first then. Thread-bound to the stream's executor.
class server_io : public watched_connection {
public:
    server_io(std::unique_ptr<stream>, std::shared_ptr<const http_service>);
    ~server_io() override;

    /// The coroutine that does the work, so that a deadline can end what it awaits. Before anything else.
    void run_as(std::shared_ptr<remote_cancellation> own) { own_ = std::move(own); }

    // What is going on, for the deadlines.

    enum class phase { idle, head, handling, reading, writing, lingering };
    void enter_idle();
    void enter_head();
    void enter_handling();
    void enter_lingering();
    void drain() override;
    void attend() override;

    bool draining() const noexcept { return draining_; }
    /// This side ended a wait, or closed the connection: the time was up, or the client has gone.
    enum class cut { none, expired, gone };
    cut why_cut() const noexcept { return cut_; }

    /// After a wait that was interrupted, or that the application may have been in:
    ///     co_await server_io::resume();
    ///     throw_if_asked();
    /// The coroutine can be cancelled again, and is not, unless somebody else wants it to end. No coroutine itself: asio starts none
    /// in one that is cancelled.
    static auto resume() { return asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation()); }
    void throw_if_asked() const;

    // Input.

    std::string_view input() const noexcept { return std::string_view{input_}.substr(input_at_); }
    void consume(std::size_t size) noexcept;
    /// Consumes up to `end`; what is between is for who keeps it.
    std::string take_input(std::size_t begin, std::size_t end);
    /// Read what is there, without waiting.
    enum class received { some, nothing, end, broken };
    received receive();
    /// The same into a buffer of the caller's, past the input, which must be empty.
    received receive(std::span<char> into, std::size_t& size);
    /// What was received last was less than there was room for: who wants more waits at once, since another `receive()` would find
    /// nothing, unless it came meanwhile, and then the wait ends at once.
    bool drained() const noexcept { return drained_; }
    /// Wait until `receive()` may have something. Ends with `operation_aborted` if interrupted.
    asio::awaitable<void> wait_input();
    /// The same for a head, and for a body, whose client has to keep up. False if the time was up.
    asio::awaitable<bool> wait_head();
    asio::awaitable<bool> wait_body(pace&);
    /// The client has closed its side, as far as is known.
    bool ended() const noexcept { return ended_; }

    // Output.

    /// As much as goes without waiting; leaves the rest. False if the connection is broken.
    bool write_now(std::string_view& data) noexcept;
    /// Wait until all has gone; the client has to keep up. Throws `connection_closed`.
    asio::awaitable<void> write_rest(std::string_view data, pace&);

    /// Throw away what comes until the client closes, or a limit.
    asio::awaitable<void> linger();
    void close(bool cleanly) noexcept;
    bool closed() const noexcept { return closed_; }
    /// There is a second coroutine, which looks for the client's end beside the handler.
    bool has_lookout() const noexcept { return lookout_ != nullptr; }
    asio::awaitable<void> end_lookout();

    void tell_access(const access_record&) const noexcept;

    stream& connection() noexcept { return *stream_; }
    const http_service& service() const noexcept { return *service_; }

private:
    struct lookout;
    static asio::awaitable<void> look_out(std::shared_ptr<server_io> self);
    void start_lookout();
    received discard(std::size_t& counted);
    void interrupt(cut why);
    void expect_within(phase, duration limit);
    steady_time now() const { return service_->time->steady(); }

    const std::unique_ptr<stream> stream_;
    const std::shared_ptr<const http_service> service_;
    std::shared_ptr<remote_cancellation> own_;
    std::unique_ptr<lookout> lookout_;
    std::string input_;
    std::size_t input_at_ = 0;
    steady_time request_deadline_ = steady_time::max();
    phase phase_ = phase::idle;
    cut cut_ = cut::none;
    bool ended_ = false;
    bool drained_ = false;
    bool draining_ = false;
    bool closed_ = false;
};

}  // namespace evercert
