#include <array>
#include <csignal>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>

#include <evercert/error.hpp>
#include <evercert/network.hpp>
#include <evercert/rethrow.hpp>

#include "catch.hpp"
#include "descriptors.hpp"
#include "run.hpp"
#include "stream_text.hpp"
#include "tcp_setting.hpp"

using namespace evercert;
using test::at_address;
using test::connect_pair;
using test::loopback;

namespace {

asio::awaitable<void> wait_readable(stream& on) { co_await on.wait_readable(); }
asio::awaitable<void> wait_writable(stream& on) { co_await on.wait_writable(); }

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
        co_await test::write_and_end(*made.client, "question");
        auto question = co_await test::read_all(*made.server);
        CHECK(question == "question");
        co_await test::write_and_end(*made.server, "answer");
        auto answer = co_await test::read_all(*made.client);
        CHECK(answer == "answer");
        auto after = made.client->try_write(std::as_bytes(std::span{"x", 1}));
        CHECK(after.error == asio::error::broken_pipe);
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

TEST_CASE("waits end with operation_aborted when the stream is closed") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto made = co_await connect_pair();
        fill(*made.client);
        test::started<> readable{io.get_executor(), wait_readable(*made.client)};
        test::started<> writable{io.get_executor(), wait_writable(*made.client)};
        co_await test::yield(5);
        made.client->close();
        auto failure = co_await test::failure_of(readable.join());
        CHECK(failure == asio::error::operation_aborted);
        failure = co_await test::failure_of(writable.join());
        CHECK(failure == asio::error::operation_aborted);
    });
}

TEST_CASE("waits end with operation_aborted when the stream is destroyed") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto made = co_await connect_pair();
        test::started<> readable{io.get_executor(), wait_readable(*made.client)};
        co_await test::yield(5);
        made.client.reset();
        auto failure = co_await test::failure_of(readable.join());
        CHECK(failure == asio::error::operation_aborted);
    });
}

TEST_CASE("a closed stream answers bad_descriptor, its waits operation_aborted, and still knows its addresses") {
    test::run_io([](asio::io_context&) -> asio::awaitable<void> {
        auto made = co_await connect_pair();
        made.client->close();
        std::array<std::byte, 8> buffer;
        CHECK(made.client->try_read(buffer).error == asio::error::bad_descriptor);
        CHECK(made.client->try_write(buffer).error == asio::error::bad_descriptor);
        made.client->shutdown_write();
        made.client->close();
        auto failure = co_await test::failure_of(made.client->wait_readable());
        CHECK(failure == asio::error::operation_aborted);
        failure = co_await test::failure_of(made.client->wait_writable());
        CHECK(failure == asio::error::operation_aborted);
        CHECK(made.client->remote_endpoint() == made.server->local_endpoint());
    });
}

TEST_CASE("a big write waits for a slow reader and arrives whole") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto made = co_await connect_pair();
        std::string sent;
        for (int i = 0; sent.size() < (8 << 20); ++i)
            sent += std::to_string(i);
        test::started<> writer{io.get_executor(), test::write_and_end(*made.client, sent)};
        co_await test::yield(5);
        CHECK(!writer.ended());
        auto received = co_await test::read_all(*made.server);
        co_await writer.join();
        CHECK(received == sent);
    });
}

TEST_CASE("writing to a peer that is gone is an error and no signal") {
    REQUIRE(std::signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    test::run_io([](asio::io_context&) -> asio::awaitable<void> {
        auto made = co_await connect_pair();
        made.server.reset();
        auto read_to_end = co_await test::read_all(*made.client);
        CHECK(read_to_end.empty());
        std::array<std::byte, 8> some = {};
        std::error_code failure;
        while (!failure)  // the first goes out, and its answer is the reset
            failure = co_await test::failure_of(write_all(*made.client, std::span<const std::byte>{some}));
        CHECK((failure == asio::error::broken_pipe || failure == asio::error::connection_reset));
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
