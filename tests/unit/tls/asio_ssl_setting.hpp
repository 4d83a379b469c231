#pragma once

#include <asio/ip/tcp.hpp>
#include <asio/ssl.hpp>

#include <evercert/asio_ssl.hpp>

#include "base/event.hpp"
#include "base/wait_completion.hpp"
#include "tls/server_handshake.hpp"
#include "tls_test.hpp"

namespace asio_ssl_test {

using namespace evercert;
using asio::ip::tcp;
using test::started;
using ssl_stream = asio::ssl::stream<tcp::socket>;

/// Answers after a while, once the test lets it.
class slow_source final : public certificate_source {
public:
    explicit slow_source(asio::any_io_executor executor) : released_{std::move(executor)} {}

    asio::awaitable<certificate_ptr> get_certificate(client_hello hello) override {
        asked.push_back(hello);
        while (!open)
            co_await released_.wait();
        if (refusal)
            std::rethrow_exception(refusal);
        co_return hello.is_challenge() ? test::tls_ca::challenge(identifier{hello.server_name}) : chosen;
    }
    void handshake_ended(const certificate_ptr& used, handshake_result result) noexcept override {
        ended_with = used;
        ended.push_back(result);
    }
    void release() {
        open = true;
        released_.notify_all();
    }

    std::vector<client_hello> asked;
    bool open = false;
    certificate_ptr chosen = test::certificate_for("a.test");
    std::exception_ptr refusal;
    std::vector<handshake_result> ended;
    certificate_ptr ended_with;

private:
    event released_;
};

/// A server with asio::ssl and a client of it, connected on loopback.
struct asio_pair {
    explicit asio_pair(asio::io_context& io, int version = TLS1_3_VERSION, std::vector<std::string> client_alpn = {}) {
        tcp::acceptor acceptor{io, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
        tcp::socket connecting{io};
        connecting.connect(acceptor.local_endpoint());
        connecting.non_blocking(true);
        port = connecting.local_endpoint().port();
        accepted = std::make_unique<tcp::socket>(acceptor.accept());
        client = std::make_unique<tls_stream>(
            socket_stream(std::move(connecting)), client_context, "a.test", std::move(client_alpn));
        SSL_set_max_proto_version(client->native_handle(), version);
        test::record_alerts(client->native_handle(), client_alert);
    }

    /// A prepared context is needed before the stream is made.
    void make_server() { server = std::make_unique<ssl_stream>(std::move(*accepted), context); }

    static std::unique_ptr<stream> socket_stream(tcp::socket);

    asio::ssl::context context{asio::ssl::context::tls_server};
    tls_client_context client_context{test::shared_ca().root_file(), std::make_shared<test::still_clock>()};
    std::unique_ptr<tcp::socket> accepted;
    std::unique_ptr<ssl_stream> server;
    std::unique_ptr<tls_stream> client;
    std::uint16_t port = 0;
    int client_alert = 0;
};

/// asio's socket as the stream that tls_stream wants.
class asio_stream final : public stream {
public:
    explicit asio_stream(tcp::socket socket) : socket_{std::move(socket)} {}
    io_result try_read(std::span<std::byte> into) noexcept override {
        io_result result;
        result.size = socket_.read_some(asio::buffer(into.data(), into.size()), result.error);
        return result;
    }
    io_result try_write(std::span<const std::byte> from) noexcept override {
        io_result result;
        result.size = socket_.write_some(asio::buffer(from.data(), from.size()), result.error);
        return result;
    }
    void start_wait(readiness what, wait_handler::pointer waiting) override {
        const auto type = what == readiness::readable ? tcp::socket::wait_read : tcp::socket::wait_write;
        socket_.async_wait(type, wait_completion{std::move(waiting)});
    }
    void shutdown_write() noexcept override {
        asio::error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_send, ignored);
    }
    void close() noexcept override {
        asio::error_code ignored;
        socket_.close(ignored);
    }
    asio::any_io_executor get_executor() const override { return const_cast<tcp::socket&>(socket_).get_executor(); }
    endpoint local_endpoint() const override { return detail::local_endpoint_of(socket_); }
    endpoint remote_endpoint() const override { return detail::remote_endpoint_of(socket_); }

private:
    tcp::socket socket_;
};

inline std::unique_ptr<stream> asio_pair::socket_stream(tcp::socket socket) {
    return std::make_unique<asio_stream>(std::move(socket));
}

inline asio::awaitable<asio::error_code> plain_handshake(ssl_stream& server) {
    asio::error_code failed;
    co_await server.async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, failed));
    co_return failed;
}

template <typename T>
inline std::error_code code_of(started<T>& work) {
    try {
        work.take();
    } catch (const std::system_error& thrown) {
        return thrown.code();
    }
    return {};
}

}  // namespace asio_ssl_test
