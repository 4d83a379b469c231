#include "base/tcp_stream.hpp"

#include <cerrno>
#include <sys/socket.h>

#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/wait_completion.hpp"

namespace evercert {
namespace {

[[noreturn]] void throw_connect_failed(const endpoint& to, const std::error_code& why) {
    throw error{errc::connect_failed, fmt::format("cannot connect to {}: {}", to_string(to), why.message())};
}

io_result failed(const std::error_code& why) noexcept {
    io_result result;
    result.error = why;
    return result;
}

io_result moved(ssize_t size) noexcept {
    io_result result;
    result.size = static_cast<std::size_t>(size);
    return result;
}

std::error_code start_connect(int socket, const asio::ip::tcp::endpoint& to) noexcept {
    // An interrupted connect goes on, like one in progress (connect(2), POSIX).
    if (::connect(socket, to.data(), static_cast<socklen_t>(to.size())) == 0 || errno == EINPROGRESS || errno == EINTR)
        return {};
    return last_error();
}

std::error_code connect_error(int socket) noexcept {
    int value = 0;
    socklen_t length = sizeof value;
    if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &value, &length) != 0)
        return last_error();
    return {value, asio::error::get_system_category()};
}

}  // namespace

tcp_stream::tcp_stream(asio::ip::tcp::socket connected, endpoint remote)
    : socket_{std::move(connected)}, handle_{socket_.native_handle()}, remote_{std::move(remote)} {}

io_result tcp_stream::try_read(std::span<std::byte> into) noexcept {
    if (handle_ < 0)
        return failed(asio::error::bad_descriptor);
    if (into.empty())
        return {};
    for (;;) {
        auto size = ::recv(handle_, into.data(), into.size(), MSG_DONTWAIT);
        if (size > 0)
            return moved(size);
        if (size == 0)
            return failed(asio::error::eof);
        if (errno != EINTR)
            return failed(last_error());
    }
}

io_result tcp_stream::try_write(std::span<const std::byte> data) noexcept {
    if (handle_ < 0)
        return failed(asio::error::bad_descriptor);
    if (data.empty())
        return {};
    for (;;) {
        auto size = ::send(handle_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size >= 0)
            return moved(size);
        if (errno != EINTR)
            return failed(last_error());
    }
}

void tcp_stream::start_wait(readiness what, wait_handler::pointer waiting) {
    if (handle_ < 0) {
        asio::post(socket_.get_executor(), [waiting = std::move(waiting)]() mutable {
            wait_handler::end(std::move(waiting), asio::error::operation_aborted);
        });
        return;
    }
    const auto type = what == readiness::readable ? asio::socket_base::wait_read : asio::socket_base::wait_write;
    socket_.async_wait(type, wait_completion{std::move(waiting)});
}

endpoint tcp_stream::local_endpoint() const {
    if (handle_ < 0)
        return {};
    if (!local_)
        local_ = local_endpoint_of(handle_);
    return *local_;
}

void tcp_stream::shutdown_write() noexcept {
    if (handle_ >= 0)
        ::shutdown(handle_, SHUT_WR);
}

void tcp_stream::close() noexcept {
    handle_ = -1;
    std::error_code ignored;
    socket_.close(ignored);
}

asio::awaitable<std::unique_ptr<stream>> tcp_connect(endpoint to) {
    auto executor = co_await asio::this_coro::executor;
    auto target = to_asio(to);
    std::error_code failure;
    auto opened = open_tcp_socket(target.protocol(), failure);
    if (!failure)
        failure = start_connect(opened.get(), target);
    if (failure)
        throw_connect_failed(to, failure);

    auto connecting = adopt(executor, target.protocol(), std::move(opened));
    co_await connecting.async_wait(asio::socket_base::wait_write, asio::use_awaitable);
    failure = connect_error(connecting.native_handle());
    // Within the range of ephemeral ports the system may choose the target itself as source: TCP connects to itself.
    if (!failure && local_endpoint_of(connecting.native_handle()) == to)
        failure = asio::error::connection_refused;
    if (failure)
        throw_connect_failed(to, failure);
    disable_nagle(connecting.native_handle());
    std::unique_ptr<stream> connected = std::make_unique<tcp_stream>(std::move(connecting), std::move(to));
    co_return connected;
}

}  // namespace evercert
