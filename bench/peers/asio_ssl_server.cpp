// A server on asio::ssl::stream, as its users write one, to compare memory with: a coroutine for each connection, which
// answers each request with the same text.
//
//     asio_ssl_server PORT CHAIN.pem KEY.pem

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/ssl.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

namespace {

using tls_stream = asio::ssl::stream<asio::ip::tcp::socket>;

const std::string hello = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 39\r\n\r\n"
                          "Hello from host0.example.com, over TLS\n";

asio::awaitable<void> serve(tls_stream connection) {
    std::error_code failed;
    co_await connection.async_handshake(
        asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, failed));
    while (!failed) {
        std::string request;
        co_await asio::async_read_until(
            connection, asio::dynamic_buffer(request), "\r\n\r\n", asio::redirect_error(asio::use_awaitable, failed));
        if (!failed)
            co_await asio::async_write(
                connection, asio::buffer(hello), asio::redirect_error(asio::use_awaitable, failed));
    }
}

asio::awaitable<void> accept(asio::ip::tcp::acceptor& acceptor, asio::ssl::context& context) {
    for (;;) {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        socket.set_option(asio::ip::tcp::no_delay{true});
        auto executor = socket.get_executor();
        asio::co_spawn(executor, serve(tls_stream{std::move(socket), context}), asio::detached);
    }
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::cerr << "usage: asio_ssl_server PORT CHAIN.pem KEY.pem\n";
        return EXIT_FAILURE;
    }
    asio::io_context io{1};
    asio::ssl::context context{asio::ssl::context::tls_server};
    context.use_certificate_chain_file(argv[2]);
    context.use_private_key_file(argv[3], asio::ssl::context::pem);
    const auto port = static_cast<asio::ip::port_type>(std::stoi(argv[1]));
    asio::ip::tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), port}};
    asio::co_spawn(io, accept(acceptor, context), asio::detached);
    io.run();
} catch (const std::exception& e) {
    std::cerr << "asio_ssl_server: " << e.what() << '\n';
    return EXIT_FAILURE;
}
