#pragma once

#include <system_error>
#include <utility>

#include <asio/ip/tcp.hpp>

#include <evercert/network.hpp>

namespace evercert {

/// A file descriptor with an owner, until asio takes it over.
class descriptor {
public:
    descriptor() = default;
    explicit descriptor(int value) noexcept : value_{value} {}
    descriptor(descriptor&& other) noexcept : value_{other.release()} {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(value_, other.value_);
        return *this;
    }
    ~descriptor();

    explicit operator bool() const noexcept { return value_ >= 0; }
    int get() const noexcept { return value_; }
    int release() noexcept { return std::exchange(value_, -1); }

private:
    int value_ = -1;
};

/// `errno` as asio's code, so that it compares equal to `asio::error::…`.
std::error_code last_error() noexcept;

/// A TCP socket: non-blocking, closed by exec. asio's own are neither from the start, and a child process that is
/// forked in between would hold the port.
descriptor open_tcp_socket(const asio::ip::tcp& protocol, std::error_code&) noexcept;

/// A socket that somebody else opened: non-blocking and closed by exec from now on.
std::error_code make_non_blocking(int socket) noexcept;

/// The next connection of a listening socket, non-blocking, closed by exec. `would_block` if there is none.
descriptor accept_tcp_socket(int listening, asio::ip::tcp::endpoint& peer, std::error_code&) noexcept;

/// Small writes go out at once: what evercert writes are whole records and messages.
void disable_nagle(int socket) noexcept;

/// The socket as asio's, on `executor`. Throws `std::system_error` if it cannot be watched.
asio::ip::tcp::socket adopt(const asio::any_io_executor& executor, const asio::ip::tcp& protocol, descriptor);

/// A socket for both families shows IPv4 addresses as IPv6 ones, ::ffff:192.0.2.1 (RFC 4291, section 2.5.5.2): the address
/// that it is.
asio::ip::address plain_address(const asio::ip::address&);
asio::ip::tcp::endpoint to_asio(const endpoint&);
/// With its `plain_address`.
endpoint from_asio(const asio::ip::tcp::endpoint&);
/// The address that the socket is bound to; empty if it is not.
endpoint local_endpoint_of(int socket) noexcept;

}  // namespace evercert
