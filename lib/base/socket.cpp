#include "base/socket.hpp"

#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/error.hpp>

namespace evercert {
namespace {

/// accept(2): Linux hands out the errors that a connection died of while it was in the queue. They are about that
/// connection, and the next one may be waiting.
bool is_of_the_peer(int error) noexcept {
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH: return true;
    default: return false;
    }
}

}  // namespace

descriptor::~descriptor() {
    if (value_ >= 0)
        ::close(value_);
}

std::error_code last_error() noexcept { return {errno, asio::error::get_system_category()}; }

descriptor open_tcp_socket(const asio::ip::tcp& protocol, std::error_code& error) noexcept {
    descriptor opened{::socket(protocol.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP)};
    error = opened ? std::error_code{} : last_error();
    return opened;
}

descriptor accept_tcp_socket(int listening, asio::ip::tcp::endpoint& peer, std::error_code& error) noexcept {
    for (;;) {
        auto length = static_cast<socklen_t>(peer.capacity());
        descriptor accepted{::accept4(listening, peer.data(), &length, SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (accepted) {
            error.clear();
            return accepted;
        }
        if (!is_of_the_peer(errno)) {
            error = last_error();
            return {};
        }
    }
}

std::error_code make_non_blocking(int socket) noexcept {
    const int status = ::fcntl(socket, F_GETFL);
    if (status < 0 || ::fcntl(socket, F_SETFL, status | O_NONBLOCK) != 0 || ::fcntl(socket, F_SETFD, FD_CLOEXEC) != 0)
        return last_error();
    return {};
}

void disable_nagle(int socket) noexcept {
    int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

asio::ip::tcp::socket adopt(const asio::any_io_executor& executor, const asio::ip::tcp& protocol, descriptor opened) {
    asio::ip::tcp::socket result{executor};
    result.assign(protocol, opened.get());
    opened.release();
    return result;
}

asio::ip::tcp::endpoint to_asio(const endpoint& at) { return {at.address, at.port}; }

asio::ip::address plain_address(const asio::ip::address& address) {
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    return address;
}

endpoint from_asio(const asio::ip::tcp::endpoint& at) {
    endpoint result;
    result.address = plain_address(at.address());
    result.port = at.port();
    return result;
}

endpoint local_endpoint_of(int socket) noexcept {
    asio::ip::tcp::endpoint at;
    auto length = static_cast<socklen_t>(at.capacity());
    if (::getsockname(socket, at.data(), &length) != 0)
        return {};
    return from_asio(at);
}

}  // namespace evercert
