#include <sys/resource.h>
#include <unistd.h>

#include <asio/error.hpp>
#include <asio/strand.hpp>

#include <evercert/error.hpp>
#include <evercert/network.hpp>

#include "catch.hpp"
#include "run.hpp"
#include "stream_text.hpp"
#include "tcp_setting.hpp"

using namespace evercert;
using test::at_address;
using test::loopback;

namespace {

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

}  // namespace

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

TEST_CASE("a stream that was accepted for another executor works there") {
    asio::io_context server_io;
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        auto listening = system_network()->listen(io.get_executor(), loopback());
        auto client = co_await system_network()->connect(listening->local_endpoint());
        auto strand = asio::make_strand(server_io);
        auto server = co_await listening->accept(strand);
        CHECK(server->get_executor() == asio::any_io_executor{strand});
        co_await test::write_and_end(*client, "to the other executor");
        auto received = test::run_io(server_io, test::read_all(*server));
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
