#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <netinet/tcp.h>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/rethrow.hpp>
#include <evercert/tls_context.hpp>
#include <evercert/tls_stream.hpp>

#include "base/stream_io.hpp"
#include "base/tcp_stream.hpp"

// Clients that are slow on purpose, many and in a process of their own:
//
//     slow_clients PORT COUNT KINDS [ROOTS NAME]
//
// KINDS is some of "head", "body" and "read", with commas between, which take turns: a request whose head never ends, one
// whose body comes by single bytes, and an answer that is taken by single bytes. With ROOTS, a PEM file, over TLS. Writes "ready" when all are
// where they want to be, goes on until SIGTERM, and then writes how many are still connected.

using namespace evercert;

namespace {

struct settings {
    std::uint16_t port = 0;
    std::size_t count = 0;
    std::vector<std::string> kinds;
    std::unique_ptr<tls_client_context> trusting;
    std::string name = "a.test";
};

struct client {
    std::unique_ptr<stream> connection;
    std::string kind;
    bool open = true;
};

// More at once gain nothing, and would be an attack of another kind.
constexpr std::size_t openers = 50;

// As over a line that is slow, too: on loopback the kernel would take megabytes of an answer at once.
constexpr int received_ahead = 4096;
constexpr int segment = 536;

std::string opening_of(const std::string& kind) {
    const std::string host = " HTTP/1.1\r\nHost: a.test\r\n";
    if (kind == "head")
        return "GET /" + host + "X-Slow: ";
    if (kind == "body")
        return "POST /body" + host + "Content-Length: 1000000\r\n\r\n";
    return "GET /endless" + host + "\r\n";
}

asio::awaitable<std::unique_ptr<stream>> connect(const settings& s) {
    const auto executor = co_await asio::this_coro::executor;
    asio::ip::tcp::socket socket{executor, asio::ip::tcp::v4()};
    socket.set_option(asio::socket_base::receive_buffer_size{received_ahead});
    socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_MAXSEG>{segment});
    const asio::ip::tcp::endpoint to{asio::ip::address_v4::loopback(), s.port};
    co_await socket.async_connect(to, asio::use_awaitable);
    socket.non_blocking(true);
    const endpoint remote{to.address(), to.port()};
    std::unique_ptr<stream> connected = std::make_unique<tcp_stream>(std::move(socket), remote);
    if (s.trusting) {
        const std::vector<std::string> none;
        auto secured = std::make_unique<tls_stream>(std::move(connected), *s.trusting, s.name, none);
        co_await secured->handshake();
        connected = std::move(secured);
    }
    co_return connected;
}

asio::awaitable<void> open_some(const settings& s, std::vector<client>& all, std::size_t first, std::size_t& opened) {
    for (std::size_t i = first; i < all.size(); i += openers) {
        all[i].kind = s.kinds[i % s.kinds.size()];
        all[i].connection = co_await connect(s);
        const auto opening = opening_of(all[i].kind);
        co_await write_all(*all[i].connection, opening);
        if (++opened == all.size())
            std::cout << "ready" << std::endl;
    }
}

void give_or_take_a_byte(client& one) {
    const std::byte given{'x'};
    std::byte taken{};
    auto& on = *one.connection;
    const auto result = one.kind == "read" ? on.try_read({&taken, 1}) : on.try_write({&given, 1});
    one.open = !result.error || result.error == asio::error::would_block;
}

/// A byte of each in two seconds.
asio::awaitable<void> dribble(std::vector<client>& all) {
    constexpr std::size_t parts = 100;
    asio::steady_timer pause{co_await asio::this_coro::executor};
    for (std::size_t part = 0;; part = (part + 1) % parts) {
        for (std::size_t i = part; i < all.size(); i += parts)
            if (all[i].connection && all[i].open)
                give_or_take_a_byte(all[i]);
        pause.expires_after(std::chrono::milliseconds{20});
        co_await pause.async_wait(asio::use_awaitable);
    }
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 4 && argc != 6)
        return 2;
    settings s;
    s.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
    s.count = static_cast<std::size_t>(std::atol(argv[2]));
    std::string kinds = argv[3];
    for (std::size_t end = 0; end != kinds.npos; kinds.erase(0, end + 1)) {
        end = kinds.find(',');
        s.kinds.push_back(kinds.substr(0, end));
        if (end == kinds.npos)
            break;
    }
    if (argc == 6) {
        s.trusting = std::make_unique<tls_client_context>(argv[4], system_clock());
        s.name = argv[5];
    }
    asio::io_context io{1};
    std::vector<client> all(s.count);
    std::size_t opened = 0;
    asio::signal_set ended{io, SIGTERM};
    ended.async_wait([&](std::error_code, int) { io.stop(); });
    for (std::size_t first = 0; first < openers; ++first)
        asio::co_spawn(io, open_some(s, all, first, opened), rethrow);
    asio::co_spawn(io, dribble(all), rethrow);
    io.run();
    std::cout << "connected "
              << std::count_if(all.begin(), all.end(), [](const client& c) { return c.connection && c.open; })
              << std::endl;
} catch (const std::exception& e) {
    std::cerr << "slow_clients: " << e.what() << std::endl;
    return 1;
}
