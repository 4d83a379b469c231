#include "base/tcp_listener.hpp"

#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>

#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/socket.hpp"
#include "base/tcp_stream.hpp"

namespace evercert {
namespace {

/// After so many connections without a pause the listener goes through the event loop, so that a flood of new ones
/// does not keep those that are there from being served.
constexpr int accepted_at_once_max = 16;

class tcp_listener final : public listener {
public:
    tcp_listener(const asio::any_io_executor& executor, const asio::ip::tcp& protocol, descriptor listening)
        : acceptor_{executor}, protocol_{protocol}, local_{local_endpoint_of(listening.get())} {
        acceptor_.assign(protocol, listening.get());
        listening.release();
    }

    asio::awaitable<std::unique_ptr<stream>> accept(asio::any_io_executor executor) override;
    void close() noexcept override {
        std::error_code ignored;
        acceptor_.close(ignored);
    }
    endpoint local_endpoint() const override { return local_; }

private:
    asio::ip::tcp::acceptor acceptor_;
    asio::ip::tcp protocol_;
    endpoint local_;
    int accepted_at_once_ = 0;
};

asio::awaitable<std::unique_ptr<stream>> tcp_listener::accept(asio::any_io_executor executor) {
    asio::ip::tcp::endpoint peer;
    for (;;) {
        // Nothing is touched after a wait that failed: this listener may be gone.
        if (!acceptor_.is_open())
            throw std::system_error{asio::error::operation_aborted};
        if (accepted_at_once_ < accepted_at_once_max) {
            std::error_code failure;
            auto accepted = accept_tcp_socket(acceptor_.native_handle(), peer, failure);
            if (accepted) {
                ++accepted_at_once_;
                auto socket = adopt(executor, protocol_, std::move(accepted));
                std::unique_ptr<stream> connected = std::make_unique<tcp_stream>(std::move(socket), from_asio(peer));
                co_return connected;
            }
            if (failure != asio::error::would_block)
                throw std::system_error{failure, "accepting on " + to_string(local_)};
        }
        accepted_at_once_ = 0;
        co_await acceptor_.async_wait(asio::socket_base::wait_read, asio::use_awaitable);
    }
}

void set(int socket, int level, int option, int value) noexcept {
    // Of those asked for here none can fail where sockets work; if one did, bind says what matters.
    ::setsockopt(socket, level, option, &value, sizeof value);
}

descriptor bind_and_listen(const asio::ip::tcp::endpoint& at, bool reuse_port, std::error_code& failure) noexcept {
    auto opened = open_tcp_socket(at.protocol(), failure);
    if (failure)
        return opened;
    // Connections of the process before us in TIME_WAIT must not keep us from the port.
    set(opened.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (reuse_port)
        set(opened.get(), SOL_SOCKET, SO_REUSEPORT, 1);
    // What it accepts inherits this, and needs no call of its own.
    disable_nagle(opened.get());
    if (at.address().is_v6() && at.address().is_unspecified())
        set(opened.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (::bind(opened.get(), at.data(), static_cast<socklen_t>(at.size())) != 0 ||
        ::listen(opened.get(), listen_backlog) != 0)
        failure = last_error();
    return opened;
}

bool means_no_ipv6(const std::error_code& failure) noexcept {
    // The kernel has none, or it is switched off for every interface (disable_ipv6).
    return failure.value() == EAFNOSUPPORT || failure.value() == EADDRNOTAVAIL;
}

const char* advice(const std::error_code& failure) noexcept {
    switch (failure.value()) {
    case EACCES:
    case EPERM:
        return " (ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE: "
               "AmbientCapabilities= in systemd, or setcap)";
    case EADDRINUSE: return " (another socket has this port; `ss -tlnp` shows whose)";
    case EADDRNOTAVAIL: return " (no interface of this machine has this address)";
    default: return "";
    }
}

int option_of(int socket, int level, int option) noexcept {
    int value = 0;
    socklen_t length = sizeof value;
    return ::getsockopt(socket, level, option, &value, &length) == 0 ? value : -1;
}

}  // namespace

std::unique_ptr<listener> listen_on_socket(asio::any_io_executor executor, int native_socket) {
    descriptor owned{native_socket};
    const auto refuse = [native_socket](const char* why) {
        return error{errc::listen_failed, fmt::format("cannot listen on the socket {}: {}", native_socket, why)};
    };
    const int family = option_of(native_socket, SOL_SOCKET, SO_DOMAIN);
    if (family < 0)
        throw refuse("it is no socket of this process");
    if ((family != AF_INET && family != AF_INET6) || option_of(native_socket, SOL_SOCKET, SO_TYPE) != SOCK_STREAM)
        throw refuse("it is not one of TCP (in systemd: ListenStream= with a port)");
    if (option_of(native_socket, SOL_SOCKET, SO_ACCEPTCONN) != 1)
        throw refuse("it does not listen (in systemd: Accept=no)");
    disable_nagle(native_socket);
    if (const auto failure = make_non_blocking(native_socket))
        throw refuse(failure.message().c_str());
    return std::make_unique<tcp_listener>(
        executor, family == AF_INET ? asio::ip::tcp::v4() : asio::ip::tcp::v6(), std::move(owned));
}

std::unique_ptr<listener> tcp_listen(const asio::any_io_executor& executor, const endpoint& at, bool reuse_port) {
    auto target = to_asio(at);
    std::error_code failure;
    auto listening = bind_and_listen(target, reuse_port, failure);
    if (failure && at.address.is_v6() && at.address.is_unspecified() && means_no_ipv6(failure)) {
        target = {asio::ip::address_v4::any(), at.port};
        listening = bind_and_listen(target, reuse_port, failure);
    }
    if (failure)
        throw error{
            errc::listen_failed,
            fmt::format("cannot listen on {}: {}{}", to_string(at), failure.message(), advice(failure))};
    return std::make_unique<tcp_listener>(executor, target.protocol(), std::move(listening));
}

}  // namespace evercert
