#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/stream.hpp>

#include "remote_source.hpp"

struct follower_settings {
    std::string address = "::";
    std::uint16_t http_port = 80;
    std::uint16_t https_port = 443;
};

/// A small web server whose certificates come from a `certificate_source`; what an application has here is its own
/// server, for any protocol in TLS. Belongs to one thread.
class follower {
public:
    /// Listens. Throws if an address cannot be had.
    follower(asio::io_context&, remote_source&, const follower_settings&);

    /// These run until they are cancelled or the io_context stops.
    asio::awaitable<void> serve_https();
    asio::awaitable<void> serve_http();

private:
    using tcp_ptr = std::shared_ptr<asio::ip::tcp::socket>;
    using tls_ptr = std::shared_ptr<asio::ssl::stream<asio::ip::tcp::socket>>;

    asio::awaitable<tcp_ptr> accept(asio::ip::tcp::acceptor&);
    asio::awaitable<void> answer_https(tls_ptr);
    asio::awaitable<void> answer_http(tcp_ptr);
    asio::awaitable<std::string> respond(std::string head);

    asio::io_context& io_;
    remote_source& source_;
    asio::ssl::context context_{asio::ssl::context::tls_server};
    asio::ip::tcp::acceptor http_;
    asio::ip::tcp::acceptor https_;
    std::size_t connections_ = 0;
};
