#include "catch.hpp"
#include "two_machines.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;

namespace {

/// A line every 10 ms, both ways, and when each came.
std::vector<arrivals> talk(std::uint64_t seed, const network_conditions& how, int lines = 50) {
    two_machines pair{seed, how};
    pair.open();
    const auto there = pair.heard_by(*pair.far), back = pair.heard_by(*pair.near);
    for (int i = 0; i < lines; ++i) {
        say(*pair.near, "q" + std::to_string(i) + ";");
        say(*pair.far, "a" + std::to_string(i) + ";");
        pair.time.pass(10ms);
    }
    pair.time.pass(std::chrono::days{7});
    return {*there, *back};
}

std::string lines(char begin, int count) {
    std::string all;
    for (int i = 0; i < count; ++i)
        all += begin + std::to_string(i) + ';';
    return all;
}

}  // namespace

TEST_CASE("without conditions a simulated network delivers in the moment of sending") {
    two_machines pair;
    pair.open();
    const auto heard = pair.heard_by(*pair.far);
    say(*pair.near, "hello");
    pair.time.pass(0s);
    CHECK(*heard == arrivals{{0s, "hello"}});
    CHECK(pair.near->local_endpoint().address == client_address);
    CHECK(pair.near->remote_endpoint() == web);
    CHECK(pair.far->remote_endpoint() == pair.near->local_endpoint());
    CHECK(pair.net->connected() == 1);
    CHECK(pair.net->failed() == 0);
}

TEST_CASE("latency is one way for data and its end, and a round trip for a connection") {
    two_machines pair{1, {.latency = 30ms}};
    pair.open();
    CHECK(pair.time.elapsed() == 60ms);
    const auto there = pair.heard_by(*pair.far), back = pair.heard_by(*pair.near);
    say(*pair.near, "question");
    pair.time.pass(10ms);
    say(*pair.near, "?");
    pair.near->shutdown_write();
    pair.time.pass(50ms);
    say(*pair.far, "answer");
    pair.far->close();
    pair.time.pass(1s);
    CHECK(*there == arrivals{{90ms, "question"}, {100ms, "?"}, {100ms, "[eof]"}});
    CHECK(*back == arrivals{{150ms, "answer"}, {150ms, "[eof]"}});
}

TEST_CASE("jitter delays, and never changes the order") {
    const auto heard = talk(1, {.latency = 5ms, .jitter = 200ms});
    CHECK(all_of(heard[0]) == lines('q', 50));
    CHECK(all_of(heard[1]) == lines('a', 50));
    for (const auto& each : heard[0]) {
        CHECK(each.at >= 15ms);
        CHECK(each.at <= 10ms + 490ms + 205ms);
    }
}

TEST_CASE("loss delays by retransmissions, and loses nothing") {
    for (const double loss : {0.3, 0.9, 5.0}) {
        const auto heard = talk(7, {.latency = 5ms, .loss = loss});
        CHECK(all_of(heard[0]) == lines('q', 50));
        CHECK(all_of(heard[1]) == lines('a', 50));
        CHECK(heard[0].back().at >= 200ms);
    }
}

TEST_CASE("the same seed gives the same times of arrival, and another seed others") {
    const network_conditions how{.latency = 20ms, .jitter = 100ms, .loss = 0.2};
    const auto once = talk(3, how);
    CHECK(once == talk(3, how));
    CHECK(once != talk(4, how));
}

TEST_CASE("times of arrival do not depend on how much is written") {
    const auto when = [](std::string_view text) {
        two_machines pair{5, {.latency = 20ms, .jitter = 100ms}};
        pair.open();
        const auto heard = pair.heard_by(*pair.far);
        say(*pair.near, text.substr(0, 1));
        say(*pair.near, text.substr(1));
        pair.time.pass(1s);
        return heard->back().at;
    };
    CHECK(when("abc") == when("a signature that is longer"));
}

TEST_CASE("connections are reset at some moment of their first, as many as the conditions say") {
    two_machines pair{1, {.resets = 1, .reset_within = 100ms}};
    pair.open();
    const auto opened = pair.time.elapsed();
    const auto there = pair.heard_by(*pair.far), back = pair.heard_by(*pair.near);
    pair.time.pass(1s);
    REQUIRE(there->size() == 1);
    CHECK(there->front().text == "[reset]");
    CHECK(there->front().at <= opened + 100ms);
    CHECK(*there == *back);

    int lost = 0;
    pair.net->conditions({.resets = 0.3});
    for (int i = 0; i < 100; ++i) {
        pair.open();
        const auto heard = pair.heard_by(*pair.near);
        pair.time.pass(1s);
        lost += !heard->empty();
        pair.far->close();
        pair.time.pass(1s);
    }
    CHECK(lost > 15);
    CHECK(lost < 50);
}

TEST_CASE("a segment is the most that one read gives") {
    two_machines pair{1, {.segment = 2}};
    pair.open();
    const auto heard = pair.heard_by(*pair.far);
    say(*pair.near, "hello");
    pair.time.pass(0s);
    CHECK(*heard == arrivals{{0s, "he"}, {0s, "ll"}, {0s, "o"}});
}

TEST_CASE("the simulated name service knows names, those below a wildcard, literals and localhost") {
    two_machines pair;
    const auto resolve = [&](const char* host) {
        std::string all;
        for (const auto& each : pair.time.run(pair.client->resolve(host)))
            all += (all.empty() ? "" : " ") + each.to_string();
        return all;
    };
    const auto failure = [&](const char* host) { return pair.time.run(test::failure_of(pair.client->resolve(host))); };
    CHECK(failure("www.example.com") == errc::resolve_failed);
    pair.net->name("www.example.com", {server_address, client_address});
    pair.net->name("*.example.com", {client_address});
    pair.net->name("none.example.com", {});
    CHECK(resolve("www.example.com") == "10.0.0.2 10.0.0.1");
    CHECK(resolve("other.example.com") == "10.0.0.1");
    CHECK(failure("none.example.com") == errc::resolve_failed);
    CHECK(failure("a.b.example.com") == errc::resolve_failed);
    CHECK(failure("example.com") == errc::resolve_failed);
    pair.net->name("*", {server_address});
    CHECK(resolve("a.b.example.com") == "10.0.0.2");
    CHECK(resolve("com") == "10.0.0.2");
    CHECK(resolve("192.0.2.7") == "192.0.2.7");
    CHECK(resolve("2001:db8::1") == "2001:db8::1");
    CHECK(resolve("localhost") == "10.0.0.1");
    pair.net->name("www.example.com", {client_address});
    CHECK(resolve("www.example.com") == "10.0.0.1");
}

TEST_CASE("a port of a simulated machine is in use until its listener is closed") {
    two_machines pair;
    const auto failure = [&](const endpoint& at) {
        try {
            pair.server->listen(pair.io.get_executor(), at);
        } catch (const error& why) {
            return why.code();
        }
        return std::error_code{};
    };
    const endpoint everywhere{asio::ip::address_v4::any(), 80};
    pair.door = pair.server->listen(pair.io.get_executor(), web);
    CHECK(failure(web) == errc::listen_failed);
    CHECK(failure(everywhere) == errc::listen_failed);
    CHECK(failure({asio::ip::address_v4::loopback(), 80}) == errc::listen_failed);
    CHECK(!failure({server_address, 81}));
    CHECK(failure({client_address, 80}) == errc::listen_failed);
    pair.door->close();
    CHECK(!failure(web));
    pair.door = pair.server->listen(pair.io.get_executor(), everywhere);
    CHECK(failure(web) == errc::listen_failed);
    pair.open();
    CHECK(pair.far->local_endpoint() == web);

    const auto chosen = pair.server->listen(pair.io.get_executor(), {server_address, 0});
    CHECK(chosen->local_endpoint().port >= 1024);
}

TEST_CASE("who waits for a listener that closes is refused, and its accept is aborted") {
    two_machines pair;
    pair.door = pair.server->listen(pair.io.get_executor(), web);
    test::started<std::error_code> connecting{pair.io.get_executor(), test::failure_of(pair.client->connect(web))};
    pair.time.pass(1h);
    CHECK(!connecting.ended());
    pair.door->close();
    pair.time.pass(0s);
    REQUIRE(connecting.ended());
    CHECK(connecting.take() == errc::connect_failed);
    CHECK(pair.failure_to(web) == errc::connect_failed);
    pair.door = pair.server->listen(pair.io.get_executor(), web);
    test::started<> accepting{pair.io.get_executor(), accept_into(*pair.door, pair.far)};
    pair.time.pass(0s);
    pair.door->close();
    pair.time.pass(0s);
    REQUIRE(accepting.ended());
    CHECK_THROWS_AS(accepting.take(), std::system_error);
}

TEST_CASE("more than the backlog is refused, and who gave up waiting leaves a connection that has ended") {
    two_machines pair;
    pair.door = pair.server->listen(pair.io.get_executor(), web);
    std::optional<test::started<std::error_code>> first;
    first.emplace(pair.io.get_executor(), test::failure_of(pair.client->connect(web)));
    pair.time.pass(0s);
    first->cancel();
    pair.time.pass(0s);
    CHECK(first->take() == asio::error::operation_aborted);
    test::started<> accepting{pair.io.get_executor(), accept_into(*pair.door, pair.far)};
    pair.time.pass(0s);
    REQUIRE(pair.far);
    const auto heard = pair.heard_by(*pair.far);
    pair.time.pass(0s);
    CHECK(all_of(*heard) == "[eof]");

    std::vector<test::started<std::error_code>> waiting;
    for (std::size_t i = 0; i < simulated_network::backlog_max; ++i)
        waiting.emplace_back(pair.io.get_executor(), test::failure_of(pair.client->connect(web)));
    pair.time.pass(0s);
    CHECK(!waiting.back().ended());
    CHECK(pair.failure_to(web) == errc::connect_failed);
}

TEST_CASE("a machine joins a simulated network with addresses of its own and a clock") {
    two_machines pair;
    const auto join = [&](std::vector<asio::ip::address> addresses, bool with_clock = true) {
        pair.net->join(std::move(addresses), with_clock ? pair.time.make_clock() : nullptr);
    };
    const auto free = asio::ip::make_address("10.0.0.9");
    CHECK_THROWS_AS(join({}), error);
    CHECK_THROWS_AS(join({free}, false), error);
    CHECK_THROWS_AS(join({free, server_address}), error);
    join({free, asio::ip::make_address("2001:db8::9")});
    CHECK_THROWS_AS(join({asio::ip::make_address("2001:db8::9")}), error);
}

TEST_CASE("a simulated network is secured if it was made so") {
    two_machines pair;
    CHECK(!pair.client->secured());
    CHECK(simulated_network::make(pair.time, 1, true)->join({client_address}, pair.client_clock)->secured());
}

TEST_CASE("streams and listeners outlive their simulated time and network, and nothing under way arrives then") {
    asio::io_context io;
    std::unique_ptr<listener> door;
    std::unique_ptr<stream> near, far;
    std::weak_ptr<simulated_network> net;
    {
        two_machines pair{1, {.latency = 10ms}};
        pair.open();
        say(*pair.near, "under way");
        net = pair.net;
    }
    CHECK(net.expired());
    {
        simulated_time time{io};
        const auto made = simulated_network::make(time, 1);
        net = made;
        const auto machine = made->join({server_address}, time.make_clock());
        door = machine->listen(io.get_executor(), web);
        test::started<> accepting{io.get_executor(), accept_into(*door, far)};
        near = time.run(machine->connect(web));
        time.pass(0s);
    }
    CHECK(!net.expired());
    say(*near, "nobody moves time");
    far->close();
    door->close();
    near.reset();
    far.reset();
    door.reset();
    CHECK(net.expired());
}

namespace {

/// Owns its listener and its stream, as servers do.
asio::awaitable<void> serve(std::unique_ptr<listener> door, simulated_time& time, std::shared_ptr<arrivals> heard) {
    const auto executor = co_await asio::this_coro::executor;
    const auto one = co_await door->accept(executor);
    co_await hear(*one, time, std::move(heard));
}

asio::awaitable<void> visit(std::shared_ptr<network> from) {
    const auto one = co_await from->connect(web);
    co_await one->wait_readable();
}

asio::awaitable<void> visit_nobody(std::shared_ptr<network> from) {
    const endpoint nobody{asio::ip::make_address("10.0.0.3"), 80};
    co_await from->connect(nobody);
}

}  // namespace

TEST_CASE("an io_context may die with everything of a simulated network in its coroutines") {
    auto io = std::make_unique<asio::io_context>();
    auto heard = std::make_shared<arrivals>();
    std::weak_ptr<simulated_network> net;
    {
        simulated_time time{*io};
        const auto made = simulated_network::make(time, 1);
        net = made;
        made->conditions({.latency = 5ms, .resets = 1, .reset_within = 1h});
        const auto client = made->join({client_address}, time.make_clock());
        const auto server = made->join({server_address}, time.make_clock());
        asio::co_spawn(*io, serve(server->listen(io->get_executor(), web), time, heard), rethrow);
        asio::co_spawn(*io, visit(client), rethrow);
        asio::co_spawn(*io, visit(client), rethrow);
        asio::co_spawn(*io, visit_nobody(client), rethrow);
        time.pass(15ms);
        CHECK(made->connected() == 1);
    }
    CHECK(!net.expired());
    CHECK(heard.use_count() == 2);
    io.reset();
    CHECK(net.expired());
    CHECK(heard.use_count() == 1);
}
