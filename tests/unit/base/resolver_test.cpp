#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <asio/error.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <evercert/clock.hpp>
#include <evercert/error.hpp>
#include <evercert/network.hpp>
#include <evercert/rethrow.hpp>

#include "base/within.hpp"
#include "catch.hpp"
#include "descriptors.hpp"
#include "name_server.hpp"
#include "run.hpp"

using namespace evercert;
using test::rcode;
using test::start_name_server;

namespace {

using address_list = std::vector<asio::ip::address>;

asio::ip::address ip(const char* text) { return asio::ip::make_address(text); }

asio::awaitable<std::string> failure_text(std::shared_ptr<network> net, std::string host) {
    std::string text = "resolved";
    try {
        co_await net->resolve(std::move(host));
    } catch (const evercert::error& thrown) {
        CHECK(thrown.code() == errc::resolve_failed);
        text = thrown.what();
    }
    co_return text;
}

asio::awaitable<void> resolve_owning(std::shared_ptr<network> net, std::shared_ptr<int>) {
    co_await net->resolve("silent.test");
}

}  // namespace

TEST_CASE("an IP literal answers itself") {
    auto net = system_network();
    CHECK(test::run_io(net->resolve("192.0.2.1")) == address_list{ip("192.0.2.1")});
    CHECK(test::run_io(net->resolve("2001:db8::1")) == address_list{ip("2001:db8::1")});
}

TEST_CASE("localhost is the loopback, and no name server is asked") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        auto net = system_network(server->options());
        address_list loopback{ip("127.0.0.1"), ip("::1")};
        for (const char* name : {"localhost", "LocalHost.", "a.localhost"}) {
            auto found = co_await net->resolve(name);
            CHECK(found == loopback);
        }
        CHECK(server->udp_queries == 0);
    });
}

TEST_CASE("the addresses of a name are those that the name server gives, of both families") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        server->addresses = {ip("192.0.2.1"), ip("192.0.2.2"), ip("2001:db8::1")};
        auto net = system_network(server->options());
        auto found = co_await net->resolve("ca.test");
        std::sort(found.begin(), found.end());
        CHECK(found == server->addresses);
    });
}

TEST_CASE("no more than addresses_max of one name are handed out, none of them twice") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        for (int i = 0; i < 24; ++i)
            server->addresses.push_back(asio::ip::address_v4{0x7f000001u + static_cast<unsigned>(i / 2)});
        auto net = system_network(server->options());
        auto found = co_await net->resolve("twice.test");
        CHECK(found.size() == 12);
        for (int i = 0; i < 24; ++i)
            server->addresses.push_back(asio::ip::address_v4{0x7f000101u + static_cast<unsigned>(i)});
        found = co_await net->resolve("many.test");
        CHECK(found.size() == network::addresses_max);
    });
}

TEST_CASE("an answer too long for UDP is fetched over TCP, however it is cut into segments") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        server->over_tcp_alone = true;
        server->addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
        auto net = system_network(server->options());
        auto found = co_await net->resolve("long.test");
        CHECK(found.size() == 2);
        CHECK(server->tcp_queries == 2);
    });
}

TEST_CASE("a name server that resets TCP connections is resolve_failed and no signal") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        server->over_tcp_alone = true;
        server->closes_tcp = true;
        auto text = co_await failure_text(system_network(server->options()), "reset.test");
        CHECK_THAT(text, Catch::Matchers::StartsWith("cannot resolve \"reset.test\": "));
    });
}

TEST_CASE("what a name server refuses is resolve_failed with the name and the reason") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        auto net = system_network(server->options());
        server->code = rcode::no_such_name;
        auto text = co_await failure_text(net, "nowhere.test.");
        CHECK(text == "cannot resolve \"nowhere.test.\": Domain name not found");
        server->code = rcode::no_error;
        text = co_await failure_text(net, "empty.test.");
        CHECK_THAT(
            text,
            Catch::Matchers::StartsWith("cannot resolve \"empty.test.\": DNS server returned answer with no data"));
        server->code = rcode::server_failure;
        text = co_await failure_text(net, "broken.test.");
        CHECK_THAT(text, Catch::Matchers::StartsWith("cannot resolve \"broken.test.\": "));
    });
}

TEST_CASE("what is not a host name is refused before anybody is asked") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        auto net = system_network(server->options());
        std::vector<std::string> names{
            "", "a b", "new\nline", std::string{"ca.test\0.evil", 13}, std::string(255, 'a'), "b\xc3\xbc.test"};
        for (const auto& name : names) {
            auto text = co_await failure_text(net, name);
            CHECK_THAT(text, Catch::Matchers::EndsWith(": not a host name"));
        }
        CHECK(server->udp_queries == 0);
    });
}

TEST_CASE("a query in progress can be cancelled, and leaves no descriptor") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        server->silent = true;
        auto net = system_network(server->options());
        auto before = test::open_descriptors();
        test::started<address_list> query{io.get_executor(), net->resolve("silent.test")};
        while (server->udp_queries < 2)
            co_await test::yield();
        CHECK(test::open_descriptors() > before);
        query.cancel();
        auto failure = co_await test::failure_of(query.join());
        CHECK(failure == asio::error::operation_aborted);
        CHECK(test::open_descriptors() == before);
        // What c-ares left in the loop finds nobody.
        co_await test::yield(5);
    });
}

TEST_CASE("a query can be cancelled at every step of its way") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        server->over_tcp_alone = true;
        server->tcp_segment = 30;
        server->addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
        auto net = system_network(server->options());
        auto before = test::open_descriptors();
        bool finished = false;
        int steps = 0;
        for (; !finished && steps < 10000; ++steps) {
            test::started<address_list> query{io.get_executor(), net->resolve("steps.test")};
            co_await test::yield(steps);
            query.cancel();
            auto failure = co_await test::failure_of(query.join());
            CHECK((!failure || failure == asio::error::operation_aborted));
            finished = !failure;
        }
        CHECK(finished);
        CHECK(steps > 5);
        // The server sees the end of the last connection.
        for (int i = 0; i < 1000 && test::open_descriptors() != before; ++i)
            co_await test::yield();
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("an io_context may die in the middle of a query") {
    auto before = test::open_descriptors();
    auto alive = std::make_shared<int>();
    {
        asio::io_context io;
        auto server = start_name_server(io);
        server->silent = true;
        asio::co_spawn(io, resolve_owning(system_network(server->options()), alive), evercert::rethrow);
        while (server->udp_queries < 2)
            io.run_one();
        CHECK(alive.use_count() == 2);
    }
    CHECK(alive.use_count() == 1);
    CHECK(test::open_descriptors() == before);
}

namespace {

/// True if the name was still not resolved after a few milliseconds.
asio::awaitable<bool> takes_too_long(std::shared_ptr<network> net) {
    auto time = system_clock();
    auto failure = co_await test::failure_of(
        within(*time, std::chrono::milliseconds{5}, std::string{"resolving"}, net->resolve("silent.test")));
    co_return failure == errc::timed_out;
}

}  // namespace

TEST_CASE("one network resolves for coroutines on many threads at once") {
    test::name_server_thread other;
    other.server->addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
    other.start();
    auto net = system_network(other.server->options());
    asio::thread_pool clients{4};
    std::vector<std::future<address_list>> answers;
    for (int i = 0; i < 32; ++i)
        answers.push_back(asio::co_spawn(clients, net->resolve("threads.test"), asio::use_future));
    for (auto& answer : answers)
        CHECK(answer.get().size() == 2);
}

TEST_CASE("queries are cancelled on many threads at once, and leave no descriptor") {
    test::name_server_thread other;
    other.server->silent = true;
    other.start();
    auto net = system_network(other.server->options());
    auto before = test::open_descriptors();
    {
        asio::thread_pool clients{4};
        std::vector<std::future<bool>> all;
        for (int i = 0; i < 32; ++i)
            all.push_back(asio::co_spawn(asio::make_strand(clients), takes_too_long(net), asio::use_future));
        for (auto& one : all)
            CHECK(one.get());
    }
    CHECK(test::open_descriptors() == before);
}
