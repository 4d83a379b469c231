#include "follower.hpp"

#include <iostream>
#include <stdexcept>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <evercert/asio_ssl.hpp>
#include <evercert/rethrow.hpp>

#include "message.hpp"

using asio::ip::tcp;

namespace {

// A handshake with its wait for the leader, and a request.
constexpr std::chrono::seconds client_patience = remote_source::leader_patience + std::chrono::seconds{10};
constexpr std::size_t connections_max = 1'000;
constexpr std::size_t request_head_max = 8 << 10;
constexpr std::string_view challenge_path = "/.well-known/acme-challenge/";

tcp::acceptor listen_on(asio::io_context& io, const std::string& address, std::uint16_t port) {
    std::error_code failed;
    const tcp::endpoint at{asio::ip::make_address(address, failed), port};
    if (failed)
        throw std::runtime_error{"--bind " + address + " is not an IP address"};
    tcp::acceptor acceptor{io, at.protocol()};
    acceptor.set_option(tcp::acceptor::reuse_address{true});
    acceptor.bind(at, failed);
    if (!failed)
        acceptor.listen(asio::socket_base::max_listen_connections, failed);
    if (failed)
        throw std::runtime_error{"cannot listen on port " + std::to_string(port) + ": " + failed.message()};
    return acceptor;
}

// The word after `before` up to `end`; empty if there is none.
std::string between(std::string_view text, std::string_view before, std::string_view end) {
    const auto at = text.find(before);
    if (at == std::string_view::npos)
        return {};
    const auto rest = text.substr(at + before.size());
    return std::string{rest.substr(0, rest.find_first_of(end))};
}

std::string http_response(std::string_view status, std::string_view more, std::string_view body) {
    std::string text{"HTTP/1.1 "};
    text.append(status).append("\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: ");
    text.append(std::to_string(body.size())).append("\r\n").append(more).append("\r\n").append(body);
    return text;
}

template <typename Stream>
asio::awaitable<std::string> read_head(std::shared_ptr<Stream> from) {
    std::string head;
    co_await asio::async_read_until(
        *from, asio::dynamic_buffer(head, request_head_max), "\r\n\r\n", asio::use_awaitable);
    co_return head;
}

}  // namespace

follower::follower(asio::io_context& io, remote_source& source, const follower_settings& s)
    : io_{io},
      source_{source},
      http_{listen_on(io, s.address, s.http_port)},
      https_{listen_on(io, s.address, s.https_port)} {
    // From here on a handshake on this context waits for its certificate inside OpenSSL; see answer_https().
    evercert::prepare_server_context(context_, {"http/1.1"});
}

asio::awaitable<follower::tcp_ptr> follower::accept(tcp::acceptor& from) {
    for (;;) {
        auto client = std::make_shared<tcp::socket>(io_);
        std::error_code failed;
        co_await from.async_accept(*client, asio::redirect_error(asio::use_awaitable, failed));
        if (!failed && connections_ < connections_max)
            co_return client;
        if (failed) {
            // Out of descriptors, most likely: the connection is still there, and asking again at once would spin.
            asio::steady_timer pause{io_, std::chrono::milliseconds{100}};
            co_await pause.async_wait(asio::use_awaitable);
        }
    }
}

asio::awaitable<void> follower::serve_https() {
    for (;;) {
        const auto client = co_await accept(https_);
        const auto tls = std::make_shared<tls_ptr::element_type>(std::move(*client), context_);
        asio::co_spawn(io_, answer_https(tls), evercert::rethrow);
    }
}

asio::awaitable<void> follower::serve_http() {
    for (;;) {
        const auto client = co_await accept(http_);
        asio::co_spawn(io_, answer_http(client), evercert::rethrow);
    }
}

asio::awaitable<void> follower::answer_https(tls_ptr client) {
    ++connections_;
    try {
        const deadline limit{client, client_patience};
        // False for a CA's validation, which is complete with its handshake.
        if (co_await evercert::handshake(source_, *client)) {
            const auto head = co_await read_head(client);
            const auto body = "Hello from " + between(head, "Host: ", ":\r") + ", with the leader's certificate.\n";
            const auto response = http_response("200 OK", "", body);
            co_await asio::async_write(*client, asio::buffer(response), asio::use_awaitable);
            co_await client->async_shutdown(asio::use_awaitable);
        }
    } catch (const std::exception&) {
        // A client that left, or was refused: it has its alert, and the source has said why.
    }
    --connections_;
}

asio::awaitable<void> follower::answer_http(tcp_ptr client) {
    ++connections_;
    try {
        const deadline limit{client, client_patience};
        auto head = co_await read_head(client);
        const auto response = co_await respond(std::move(head));
        co_await asio::async_write(*client, asio::buffer(response), asio::use_awaitable);
        client->shutdown(tcp::socket::shutdown_both);
    } catch (const std::exception&) {
    }
    --connections_;
}

asio::awaitable<std::string> follower::respond(std::string head) {
    const auto target = between(head, " ", " \r"), host = between(head, "Host: ", ":\r");
    if (!target.starts_with('/') || !evercert::identifier::parse(host))
        co_return http_response("400 Bad Request", "", "");
    if (!target.starts_with(challenge_path))
        co_return http_response("302 Found", "Location: https://" + host + target + "\r\n", "");
    std::string response;
    try {
        const auto answered = co_await source_.validation(host, target);
        response = http_response(
            std::to_string(answered.status) + " " + std::string{evercert::reason_phrase(answered.status)}, "",
            answered.body);
    } catch (const std::exception& e) {
        std::cerr << "certificate_rpc: a validation of " << host << " failed: " << e.what() << '\n';
        response = http_response("503 Service Unavailable", "", "");
    }
    co_return response;
}
