#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/ip/address.hpp>

#include <evercert/stream.hpp>
#include <evercert/stream_operations.hpp>
#include <evercert/stream_transfers.hpp>

namespace evercert {

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

/// The sockets that systemd hands over (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS), for `listen_on_socket` or `tls_acceptor::listen`.
/// Empty if this process was started with none. Throws `error` with `errc::listen_failed` if the variables make no sense. They are
/// closed by exec from now on. Call it once: whoever gets a socket owns it.
std::vector<int> inherited_sockets();

}  // namespace evercert
