#include "base/resolver_sockets.hpp"

#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/socket.hpp"

namespace evercert {

#if ARES_VERSION < 0x012200

namespace {

ares_socket_t open_socket(int family, int type, int protocol, void*) {
    int opened = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (opened >= 0 && type == SOCK_STREAM)
        disable_nagle(opened);
    return opened;
}

int close_socket(ares_socket_t socket, void*) { return ::close(socket); }

int connect_socket(ares_socket_t socket, const sockaddr* to, ares_socklen_t length, void*) {
    return ::connect(socket, to, length);
}

ares_ssize_t receive(
    ares_socket_t socket, void* into, std::size_t size, int flags, sockaddr* from, ares_socklen_t* length, void*) {
    return ::recvfrom(socket, into, size, flags, from, length);
}

ares_ssize_t send(ares_socket_t socket, const iovec* parts, int count, void*) {
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

}  // namespace

void use_own_sockets(ares_channel channel) noexcept {
    static const ares_socket_functions functions = {open_socket, close_socket, connect_socket, receive, send};
    ares_set_socket_functions(channel, &functions, nullptr);
}

#else

void use_own_sockets(ares_channel) noexcept {}

#endif

}  // namespace evercert
