#include <array>
#include <csignal>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/strand.hpp>

#include <evercert/error.hpp>
#include <evercert/network.hpp>
#include <evercert/rethrow.hpp>

#include "base/stream_io.hpp"
#include "catch.hpp"
#include "descriptors.hpp"
#include "run.hpp"

using namespace evercert;

namespace {

endpoint loopback(std::uint16_t port = 0) {
    endpoint at;
    at.address = asio::ip::make_address("127.0.0.1");
    at.port = port;
    return at;
}

endpoint at_address(const char* address) {
    endpoint at;
    at.address = asio::ip::make_address(address);
    return at;
}

bool machine_has_ipv6() {
    asio::io_context io;
    try {
        system_network()->listen(io.get_executor(), at_address("::1"));
        return true;
    } catch (const evercert::error&) {
        return false;
    }
}

asio::awaitable<std::unique_ptr<stream>> accept_one(listener& on) {
    auto executor = co_await asio::this_coro::executor;
    auto accepted = co_await on.accept(executor);
    co_return accepted;
}

asio::awaitable<void> wait_readable(stream& on) { co_await on.wait_readable(); }
asio::awaitable<void> wait_writable(stream& on) { co_await on.wait_writable(); }

struct connection {
    std::unique_ptr<stream> client;
    std::unique_ptr<stream> server;
};

asio::awaitable<connection> connect_pair() {
    auto executor = co_await asio::this_coro::executor;
    auto net = system_network();
    auto listening = net->listen(executor, loopback());
    connection made;
    made.client = co_await net->connect(listening->local_endpoint());
    made.server = co_await listening->accept(executor);
    co_return made;
}

asio::awaitable<std::string> read_all(stream& from) {
    std::string all;
    std::array<std::byte, 4096> buffer;
    for (;;) {
        auto count = co_await read_some(from, buffer);
        if (count == 0)
            co_return all;
        all.append(reinterpret_cast<const char*>(buffer.data()), count);
    }
}

asio::awaitable<void> write_and_end(stream& to, std::string text) {
    co_await write_all(to, text);
    to.shutdown_write();
}

/// Fills the connection until a write would block.
std::size_t fill(stream& to) {
    std::vector<std::byte> block(64 << 10);
    std::size_t total = 0;
    for (;;) {
        auto done = to.try_write(block);
        total += done.size;
        if (done.error == asio::error::would_block)
            return total;
        REQUIRE(!done.error);
    }
}

asio::awaitable<void> hold_pair(std::shared_ptr<int>) {
    auto made = co_await connect_pair();
    co_await made.client->wait_readable();
}

asio::awaitable<void> hold_accept(std::unique_ptr<listener> on, std::shared_ptr<int>) {
    auto executor = co_await asio::this_coro::executor;
    co_await on->accept(executor);
}

/// An address where nothing listens: bound, so that nobody else gets the port either.
class silent_port {
public:
    silent_port() : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        asio::ip::tcp::endpoint at{asio::ip::address_v4::loopback(), 0};
        REQUIRE(::bind(socket_, at.data(), static_cast<socklen_t>(at.size())) == 0);
        socklen_t length = static_cast<socklen_t>(at.capacity());
        REQUIRE(::getsockname(socket_, at.data(), &length) == 0);
        port_ = at.port();
    }
    ~silent_port() { ::close(socket_); }
    std::uint16_t port() const { return port_; }

private:
    int socket_;
    std::uint16_t port_ = 0;
};

}  // namespace

TEST_CASE("an endpoint is written as in a URL") {
    CHECK(to_string(loopback(443)) == "127.0.0.1:443");
    CHECK(to_string(at_address("2001:db8::1")) == "[2001:db8::1]:0");
}

TEST_CASE("a client and a server talk over TCP, each knows the other's address, and half a close is not a whole") {
    test::run_io([](asio::io_context&) -> asio::awaitable<void> {
        auto made = co_await connect_pair();
        CHECK(made.client->remote_endpoint() == made.server->local_endpoint());
        CHECK(made.client->local_endpoint() == made.server->remote_endpoint());
        co_await write_and_end(*made.client, "question");
        auto question = co_await read_all(*made.server);
        CHECK(question == "question");
        co_await write_and_end(*made.server, "answer");
        auto answer = co_await read_all(*made.client);
        CHECK(answer == "answer");
        auto after = made.client->try_write(std::as_bytes(std::span{"x", 1}));
        CHECK(after.error == asio::error::broken_pipe);
    });
}

TEST_CASE("port 0 listens on a port that the system chose") {
    asio::io_context io;
    auto first = system_network()->listen(io.get_executor(), loopback());
    auto second = system_network()->listen(io.get_executor(), loopback());
    CHECK(first->local_endpoint().port != 0);
    CHECK(first->local_endpoint().port != second->local_endpoint().port);
    CHECK(first->local_endpoint().address == loopback().address);
}

TEST_CASE("a port in use is listen_failed, which names the address") {
    asio::io_context io;
    auto first = system_network()->listen(io.get_executor(), loopback());
    try {
        system_network()->listen(io.get_executor(), first->local_endpoint());
        FAIL("two sockets listen on one port");
    } catch (const evercert::error& thrown) {
        CHECK(thrown.code() == errc::listen_failed);
        CHECK_THAT(thrown.what(), Catch::Matchers::ContainsSubstring(to_string(first->local_endpoint())));
    }
}

TEST_CASE("a port that was listened on can be listened on again at once") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto first = system_network()->listen(io.get_executor(), loopback());
        auto at = first->local_endpoint();
        auto client = co_await system_network()->connect(at);
        auto server = co_await first->accept(io.get_executor());
        server.reset();  // the side that closes first keeps the port in TIME_WAIT
        client.reset();
        first.reset();
        auto second = system_network()->listen(io.get_executor(), at);
        CHECK(second->local_endpoint() == at);
    });
}

TEST_CASE("[::] takes IPv4 connections too, and shows them as IPv4") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto net = system_network();
        auto listening = net->listen(io.get_executor(), at_address("::"));
        auto client = co_await net->connect(loopback(listening->local_endpoint().port));
        auto server = co_await listening->accept(io.get_executor());
        CHECK(server->local_endpoint() == client->remote_endpoint());
        CHECK(server->remote_endpoint() == client->local_endpoint());
    });
}

TEST_CASE("IPv6 connections know their addresses") {
    if (!machine_has_ipv6())
        return;
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto net = system_network();
        auto listening = net->listen(io.get_executor(), at_address("::1"));
        auto client = co_await net->connect(listening->local_endpoint());
        auto server = co_await listening->accept(io.get_executor());
        CHECK(server->remote_endpoint() == client->local_endpoint());
        CHECK(to_string(server->local_endpoint()).starts_with("[::1]:"));
    });
}

TEST_CASE("a refused connection is connect_failed, which names the address and the reason") {
    test::run_io([](asio::io_context&) -> asio::awaitable<void> {
        silent_port nobody;
        std::string text;
        try {
            co_await system_network()->connect(loopback(nobody.port()));
        } catch (const evercert::error& thrown) {
            CHECK(thrown.code() == errc::connect_failed);
            text = thrown.what();
        }
        CHECK(text == "cannot connect to " + to_string(loopback(nobody.port())) + ": Connection refused");
    });
}

TEST_CASE("a connect in progress can be cancelled") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        // A queue of one that is full: the system leaves further connections unanswered.
        int full = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        asio::ip::tcp::endpoint at{asio::ip::address_v4::loopback(), 0};
        REQUIRE(::bind(full, at.data(), static_cast<socklen_t>(at.size())) == 0);
        REQUIRE(::listen(full, 0) == 0);
        socklen_t length = static_cast<socklen_t>(at.capacity());
        REQUIRE(::getsockname(full, at.data(), &length) == 0);
        {
            auto first = co_await system_network()->connect(loopback(at.port()));
            auto before = test::open_descriptors();
            test::started<std::unique_ptr<stream>> second{
                io.get_executor(), system_network()->connect(loopback(at.port()))};
            co_await test::yield(5);
            second.cancel();
            auto failure = co_await test::failure_of(second.join());
            CHECK(failure == asio::error::operation_aborted);
            CHECK(test::open_descriptors() == before);
        }
        ::close(full);
    });
}

TEST_CASE("waits end with operation_aborted when cancelled, and the stream goes on") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto made = co_await connect_pair();
        fill(*made.client);
        test::started<> readable{io.get_executor(), wait_readable(*made.client)};
        test::started<> writable{io.get_executor(), wait_writable(*made.client)};
        co_await test::yield(5);
        CHECK(!readable.ended());
        CHECK(!writable.ended());
        readable.cancel();
        writable.cancel();
        auto failure = co_await test::failure_of(readable.join());
        CHECK(failure == asio::error::operation_aborted);
        failure = co_await test::failure_of(writable.join());
        CHECK(failure == asio::error::operation_aborted);
        made.server->try_write(std::as_bytes(std::span{"x", 1}));
        co_await made.client->wait_readable();
    });
}

TEST_CASE("waits end with operation_aborted when the stream is closed or destroyed") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto made = co_await connect_pair();
        fill(*made.client);
        test::started<> readable{io.get_executor(), wait_readable(*made.client)};
        test::started<> writable{io.get_executor(), wait_writable(*made.client)};
        test::started<> destroyed{io.get_executor(), wait_readable(*made.server)};
        co_await test::yield(5);
        made.client->close();
        auto failure = co_await test::failure_of(readable.join());
        CHECK(failure == asio::error::operation_aborted);
        failure = co_await test::failure_of(writable.join());
        CHECK(failure == asio::error::operation_aborted);

        std::array<std::byte, 8> buffer;
        CHECK(made.client->try_read(buffer).error == asio::error::bad_descriptor);
        CHECK(made.client->try_write(buffer).error == asio::error::bad_descriptor);
        made.client->shutdown_write();
        made.client->close();
        failure = co_await test::failure_of(made.client->wait_writable());
        CHECK(failure == asio::error::operation_aborted);
        CHECK(made.client->remote_endpoint() == made.server->local_endpoint());

        test::started<> late{io.get_executor(), wait_writable(*made.server)};
        co_await test::yield(2);
        made.server.reset();
        failure = co_await test::failure_of(destroyed.join());
        // Its peer has closed, so the wait may have ended well first.
        CHECK((!failure || failure == asio::error::operation_aborted));
        co_await test::failure_of(late.join());
    });
}

TEST_CASE("a big write waits for a slow reader and arrives whole") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto made = co_await connect_pair();
        std::string sent;
        for (int i = 0; sent.size() < (8 << 20); ++i)
            sent += std::to_string(i);
        test::started<> writer{io.get_executor(), write_and_end(*made.client, sent)};
        co_await test::yield(5);
        CHECK(!writer.ended());
        auto received = co_await read_all(*made.server);
        co_await writer.join();
        CHECK(received == sent);
    });
}

TEST_CASE("writing to a peer that is gone is an error and no signal") {
    REQUIRE(std::signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    test::run_io([](asio::io_context&) -> asio::awaitable<void> {
        auto made = co_await connect_pair();
        made.server.reset();
        auto read_to_end = co_await read_all(*made.client);
        CHECK(read_to_end.empty());
        std::array<std::byte, 8> some = {};
        std::error_code failure;
        while (!failure)  // the first goes out, and its answer is the reset
            failure = co_await test::failure_of(write_all(*made.client, std::span<const std::byte>{some}));
        CHECK((failure == asio::error::broken_pipe || failure == asio::error::connection_reset));
    });
}

TEST_CASE("a stream that was accepted for another executor works there") {
    asio::io_context server_io;
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        auto listening = system_network()->listen(io.get_executor(), loopback());
        auto client = co_await system_network()->connect(listening->local_endpoint());
        auto strand = asio::make_strand(server_io);
        auto server = co_await listening->accept(strand);
        CHECK(server->get_executor() == asio::any_io_executor{strand});
        co_await write_and_end(*client, "to the other executor");
        auto received = test::run_io(server_io, read_all(*server));
        CHECK(received == "to the other executor");
    });
}

TEST_CASE("an accept ends with operation_aborted when cancelled or closed, and only then") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto listening = system_network()->listen(io.get_executor(), loopback());
        test::started<std::unique_ptr<stream>> cancelled{io.get_executor(), accept_one(*listening)};
        co_await test::yield(5);
        CHECK(!cancelled.ended());
        cancelled.cancel();
        auto failure = co_await test::failure_of(cancelled.join());
        CHECK(failure == asio::error::operation_aborted);

        auto client = co_await system_network()->connect(listening->local_endpoint());
        auto server = co_await listening->accept(io.get_executor());
        CHECK(server->remote_endpoint() == client->local_endpoint());

        test::started<std::unique_ptr<stream>> closed{io.get_executor(), accept_one(*listening)};
        co_await test::yield(5);
        listening->close();
        failure = co_await test::failure_of(closed.join());
        CHECK(failure == asio::error::operation_aborted);
        failure = co_await test::failure_of(accept_one(*listening));
        CHECK(failure == asio::error::operation_aborted);
    });
}

TEST_CASE("accept out of descriptors throws what the system says, and the connection is accepted later") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto listening = system_network()->listen(io.get_executor(), loopback());
        auto client = co_await system_network()->connect(listening->local_endpoint());
        rlimit before;
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        int lowest_free = ::dup(0);
        REQUIRE(lowest_free >= 0);
        ::close(lowest_free);
        rlimit none = before;
        none.rlim_cur = static_cast<rlim_t>(lowest_free);
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
        auto failure = co_await test::failure_of(accept_one(*listening));
        ::setrlimit(RLIMIT_NOFILE, &before);
        CHECK(failure == asio::error::no_descriptors);
        auto server = co_await listening->accept(io.get_executor());
        CHECK(server->remote_endpoint() == client->local_endpoint());
    });
}

TEST_CASE("a burst of connections does not keep others on the loop from their turn") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto listening = system_network()->listen(io.get_executor(), loopback());
        std::vector<std::unique_ptr<stream>> clients;
        for (int i = 0; i < 40; ++i)
            clients.push_back(co_await system_network()->connect(listening->local_endpoint()));
        test::started<> other{io.get_executor(), test::yield()};
        std::vector<std::unique_ptr<stream>> accepted;
        while (!other.ended())
            accepted.push_back(co_await listening->accept(io.get_executor()));
        CHECK(accepted.size() < 40);
        while (accepted.size() < 40)
            accepted.push_back(co_await listening->accept(io.get_executor()));
    });
}

TEST_CASE("sockets are closed by exec") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto before = test::open_descriptors();
        auto listening = system_network()->listen(io.get_executor(), loopback());
        auto client = co_await system_network()->connect(listening->local_endpoint());
        auto server = co_await listening->accept(io.get_executor());
        int inherited = 0;
        for (int fd = 3; fd < static_cast<int>(before) + 32; ++fd) {
            sockaddr_storage address;
            socklen_t length = sizeof address;
            if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
                (address.ss_family == AF_INET || address.ss_family == AF_INET6))
                inherited += (::fcntl(fd, F_GETFD) & FD_CLOEXEC) ? 0 : 1;
        }
        CHECK(inherited == 0);
    });
}

TEST_CASE("no descriptor and no coroutine is left when an io_context dies with open connections") {
    auto before = test::open_descriptors();
    auto alive = std::make_shared<int>();
    {
        asio::io_context io;
        auto listening = system_network()->listen(io.get_executor(), loopback());
        asio::co_spawn(io, hold_accept(std::move(listening), alive), evercert::rethrow);
        asio::co_spawn(io, hold_pair(alive), evercert::rethrow);
        test::run_io(io, test::yield(10));
        CHECK(alive.use_count() > 2);
        CHECK(test::open_descriptors() > before);
    }
    CHECK(alive.use_count() == 1);
    CHECK(test::open_descriptors() == before);
}
