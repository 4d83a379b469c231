#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/ip/address.hpp>

namespace evercert {

/// A TCP address and port.
struct endpoint {
    asio::ip::address address = {};
    std::uint16_t port = 0;
    friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// "192.0.2.1:443", "[2001:db8::1]:443".
std::string to_string(const endpoint&);

/// What a non-blocking read or write came to.
struct io_result {
    std::size_t size = 0;        ///< bytes moved
    std::error_code error = {};  ///< `asio::error::would_block`, `asio::error::eof`, or what happened
};

enum class readiness : unsigned char { readable, writable };

/// Who waits for a stream to become ready, given to `stream::start_wait` until the wait ends. Made by the templates of
/// `stream`; a stream of one's own passes it on, and never makes one.
class wait_handler {
public:
    struct destroyer {
        void operator()(wait_handler* unneeded) const noexcept { unneeded->destroy(); }
    };
    using pointer = std::unique_ptr<wait_handler, destroyer>;

    /// The wait ended, on the stream's executor and never inside `start_wait`: with `operation_aborted` if it was
    /// cancelled by `slot()` or the stream was closed. What the handler of a user throws comes out of it.
    static void end(pointer waiting, const std::error_code& why) {
        auto& self = *waiting;
        self.ended(std::move(waiting), why);
    }
    /// By which this wait alone is cancelled; may be unconnected.
    asio::cancellation_slot slot() const noexcept { return slot_; }

    wait_handler(const wait_handler&) = delete;
    wait_handler& operator=(const wait_handler&) = delete;

protected:
    explicit wait_handler(asio::cancellation_slot slot) noexcept : slot_{slot} {}
    ~wait_handler() = default;

private:
    virtual void ended(pointer self, std::error_code why) = 0;
    virtual void destroy() noexcept = 0;

    asio::cancellation_slot slot_;
};

/// A connected byte stream, driven by readiness: try, and wait where the answer is `would_block`.
/// That shape lets OpenSSL work on the stream itself, without a second set of buffers.
///
/// It is an AsyncReadStream and AsyncWriteStream of asio too: `asio::async_read`, `async_read_until`, `async_write` and
/// what others wrote for such streams work on it, with any completion token.
///
/// Thread-bound to its executor. At most one wait for each readiness at a time, and so one read and one write. A wait, a
/// read or a write ends with `asio::error::operation_aborted` when it is cancelled (any type of cancellation) or the
/// stream is closed; a read that was cancelled has lost nothing. The stream must outlive its reads and writes,
/// until they have ended; `close()` ends them.
class stream {
public:
    using executor_type = asio::any_io_executor;

    virtual ~stream() = default;

    /// Never block, never throw. A size of 0 with no error is not returned for a non-empty buffer.
    virtual io_result try_read(std::span<std::byte>) noexcept = 0;
    virtual io_result try_write(std::span<const std::byte>) noexcept = 0;
    /// Begin a wait. What it costs is for as long as the wait lasts, and little: an idle connection is one that waits to
    /// be readable. The handler is owned by something that the executor's context destroys with itself, as asio's own
    /// operations are: it may own the stream.
    virtual void start_wait(readiness, wait_handler::pointer) = 0;

    /// `void(std::error_code)`, when a try may succeed; the stream may be gone when it ends.
    template <typename CompletionToken>
    auto async_wait(readiness, CompletionToken&&);
    asio::awaitable<void> wait_readable();
    asio::awaitable<void> wait_writable();

    /// `void(std::error_code, std::size_t)`: at least one byte into the first buffer that is not empty, or 0 at once if all
    /// are. `asio::error::eof` at the end.
    template <typename MutableBufferSequence, typename CompletionToken>
    auto async_read_some(const MutableBufferSequence&, CompletionToken&&);
    /// `void(std::error_code, std::size_t)`: the bytes that were written, which are at least one of a sequence that is not
    /// empty. The buffers must stay as they are until then. Small buffers are written together.
    template <typename ConstBufferSequence, typename CompletionToken>
    auto async_write_some(const ConstBufferSequence&, CompletionToken&&);

    /// Tell the peer that nothing more will be written. Ignored if the stream is closed.
    virtual void shutdown_write() noexcept = 0;
    /// End it now: waits in progress end with `operation_aborted`, tries answer `bad_descriptor`.
    virtual void close() noexcept = 0;

    virtual asio::any_io_executor get_executor() const = 0;
    virtual endpoint local_endpoint() const = 0;
    virtual endpoint remote_endpoint() const = 0;
};

/// A listening socket. Thread-bound to its executor.
class listener {
public:
    virtual ~listener() = default;

    /// The next connection, bound to `executor`. Throws `std::system_error`: `operation_aborted` when cancelled
    /// or closed; what the system says otherwise, and the listener goes on listening: after `no_descriptors`
    /// (EMFILE, ENFILE), `no_buffer_space` or `no_memory` the connection is still there, so pause before the next
    /// try or the loop spins.
    virtual asio::awaitable<std::unique_ptr<stream>> accept(asio::any_io_executor executor) = 0;
    virtual void close() noexcept = 0;
    /// The address bound, with the port that the system chose where 0 was asked for.
    virtual endpoint local_endpoint() const = 0;
};

/// The seam of the network: evercert opens no socket past it. A simulation replaces it.
///
/// The awaitables work on, and give streams bound to, the executor of the coroutine that awaits
/// them. Reentrant: one network may serve coroutines on many executors at once.
class network {
public:
    virtual ~network() = default;

    /// The addresses of `host` (a name, or an IP literal which answers itself), in the order to try
    /// them, at most `addresses_max`. Throws `error` with `errc::resolve_failed`.
    virtual asio::awaitable<std::vector<asio::ip::address>> resolve(std::string host) = 0;

    /// Throws `error` with `errc::connect_failed`.
    virtual asio::awaitable<std::unique_ptr<stream>> connect(endpoint) = 0;

    /// Listen on `at`; port 0 lets the system choose. Throws `error` with `errc::listen_failed`, which says which
    /// address and why.
    virtual std::unique_ptr<listener> listen(asio::any_io_executor, endpoint at) = 0;

    /// True if what it connects is private and reaches the endpoint that it was meant for by the network's own nature, as
    /// inside a simulation: then evercert speaks HTTPS to CAs without TLS on it, which costs more than all the rest. A
    /// network that says so beyond one process gives the account's orders away.
    virtual bool secured() const noexcept { return false; }

    /// More addresses than this of one host are not tried.
    static constexpr std::size_t addresses_max = 16;
};

struct network_options {
    /// Ask these name servers in place of those in resolv.conf, for a CA in a test set-up or a resolver of one's own.
    /// Port 0 means 53.
    std::vector<endpoint> name_servers = {};
    /// Several sockets, in this process or in others of the same user, may listen on one address, and the kernel spreads
    /// clients over them (SO_REUSEPORT): for one acceptor a thread, or a restart without a gap.
    bool reuse_port = false;
};

/// Real sockets. Names are resolved by c-ares, which reads /etc/hosts and resolv.conf each time, tries as often
/// as that says, and can be cancelled at any moment; other sources of nsswitch.conf (mDNS, LDAP) are not asked.
/// localhost is the loopback (RFC 6761). Sockets are closed by exec, and a peer that is gone is an error, never
/// SIGPIPE.
///
/// Listening on `[::]` takes IPv4 connections too, and on a machine without IPv6 those alone.
std::shared_ptr<network> system_network() noexcept;
std::shared_ptr<network> system_network(network_options options);

/// A socket of the application's that listens for TCP connections, as a listener, which owns it from now on, also if this
/// throws `error` with `errc::listen_failed`: it is no such socket.
std::unique_ptr<listener> listen_on_socket(asio::any_io_executor executor, int native_socket);

/// The sockets that systemd hands over (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS), for `listen_on_socket` or
/// `tls_acceptor::listen`. Empty if this process was not started with any. They are closed by exec from now on. Call it
/// once: whoever gets a socket owns it.
std::vector<int> inherited_sockets();

}  // namespace evercert

#include <evercert/stream_operations.hpp>
