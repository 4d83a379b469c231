#include "catch.hpp"
#include "two_machines.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;
using evercert::testing::cut_type;

TEST_CASE("what is sent across a silent cut arrives when it heals, in order") {
    two_machines pair;
    pair.open();
    const auto there = pair.heard_by(*pair.far), back = pair.heard_by(*pair.near);
    const bool whole_machine = GENERATE(true, false);
    whole_machine ? pair.net->cut(server_address) : pair.net->cut(server_address, client_address);
    say(*pair.near, "one ");
    pair.time.pass(1h);
    say(*pair.near, "two");
    say(*pair.far, "three");
    pair.far->shutdown_write();
    pair.time.pass(1h);
    CHECK(there->empty());
    CHECK(back->empty());
    whole_machine ? pair.net->heal(server_address) : pair.net->heal(client_address, server_address);
    pair.time.pass(1s);
    CHECK(*there == arrivals{{2h, "one two"}});
    CHECK(*back == arrivals{{2h, "three"}, {2h, "[eof]"}});
}

TEST_CASE("who connects across a silent cut, or to nobody, gives up when Linux does") {
    two_machines pair;
    pair.door = pair.server->listen(pair.io.get_executor(), web);
    const bool nobody = GENERATE(true, false);
    if (!nobody)
        pair.net->cut(server_address, client_address);
    const endpoint to{nobody ? asio::ip::make_address("10.0.0.3") : server_address, 80};
    CHECK(pair.failure_to(to) == errc::connect_failed);
    CHECK(pair.time.elapsed() == simulated_network::connect_gives_up);
    CHECK(pair.net->failed() == 1);
    CHECK(pair.net->connected() == 0);
}

TEST_CASE("a cut that refuses resets what there is, and who connects knows at once until it heals") {
    two_machines pair;
    pair.open();
    const auto there = pair.heard_by(*pair.far), back = pair.heard_by(*pair.near);
    const bool whole_machine = GENERATE(true, false);
    whole_machine ? pair.net->cut(server_address, cut_type::refused)
                  : pair.net->cut(client_address, server_address, cut_type::refused);
    pair.time.pass(0s);
    CHECK(*there == arrivals{{0s, "[reset]"}});
    CHECK(*back == arrivals{{0s, "[reset]"}});
    CHECK(pair.failure_to(web) == errc::connect_failed);
    CHECK(pair.time.elapsed() == 0s);
    whole_machine ? pair.net->heal(server_address) : pair.net->heal(server_address, client_address);
    pair.open();
    CHECK(pair.net->connected() == 2);
}

TEST_CASE("a cut between two machines leaves the others connected") {
    two_machines pair;
    const auto third = pair.net->join({asio::ip::make_address("10.0.0.3")}, pair.time.make_clock());
    pair.open();
    pair.net->cut(asio::ip::make_address("10.0.0.3"), server_address, cut_type::refused);
    const auto heard = pair.heard_by(*pair.far);
    say(*pair.near, "still here");
    pair.time.pass(0s);
    CHECK(all_of(*heard) == "still here");
    CHECK(pair.time.run(test::failure_of(third->connect(web))) == errc::connect_failed);
}

TEST_CASE("a cut machine still reaches itself, without delay") {
    two_machines pair{1, {.latency = 1s, .resets = 1}};
    pair.net->cut(server_address);
    pair.door = pair.server->listen(pair.io.get_executor(), {asio::ip::address_v4::loopback(), 80});
    test::started<> accepting{pair.io.get_executor(), accept_into(*pair.door, pair.far)};
    pair.near = pair.time.run(pair.server->connect({asio::ip::address_v4::loopback(), 80}));
    const auto heard = pair.heard_by(*pair.far);
    say(*pair.near, "myself");
    pair.time.pass(1h);
    CHECK(*heard == arrivals{{0s, "myself"}});
}

TEST_CASE("reset breaks all connections of a machine, and those that come later are whole") {
    two_machines pair;
    pair.open();
    const auto heard = pair.heard_by(*pair.near);
    pair.net->reset(asio::ip::make_address("10.9.9.9"));
    pair.time.pass(0s);
    CHECK(heard->empty());
    pair.net->reset(server_address);
    pair.time.pass(0s);
    CHECK(*heard == arrivals{{0s, "[reset]"}});
    pair.open();
    const auto again = pair.heard_by(*pair.far);
    say(*pair.near, "again");
    pair.time.pass(0s);
    CHECK(all_of(*again) == "again");
}

TEST_CASE("what is sent to a suspended machine, or by it before, waits until it resumes") {
    two_machines pair{1, {.latency = 10ms}};
    pair.open();
    const auto start = pair.time.elapsed();
    const auto there = pair.heard_by(*pair.far), back = pair.heard_by(*pair.near);
    say(*pair.far, "before");
    pair.server_clock->suspend(1h);
    say(*pair.near, "while it sleeps");
    pair.time.pass(2h);
    CHECK(*there == arrivals{{start + 1h, "while it sleeps"}});
    CHECK(*back == arrivals{{start + 1h, "before"}});
}

TEST_CASE("what waits for a suspended machine arrives also when the suspension was made longer") {
    two_machines pair;
    pair.open();
    const auto heard = pair.heard_by(*pair.far);
    pair.server_clock->suspend(1h);
    say(*pair.near, "hello");
    pair.time.pass(30min);
    pair.server_clock->suspend(1h);
    pair.time.pass(3h);
    CHECK(*heard == arrivals{{2h, "hello"}});
}

TEST_CASE("what waited behind a cut that heals during a suspension arrives at its end") {
    two_machines pair;
    pair.open();
    const auto heard = pair.heard_by(*pair.far);
    pair.net->cut(server_address);
    say(*pair.near, "hello");
    pair.server_clock->suspend(1h);
    pair.time.pass(30min);
    pair.net->heal(server_address);
    pair.time.pass(3h);
    CHECK(*heard == arrivals{{1h, "hello"}});
}

TEST_CASE("nobody reaches a suspended machine") {
    two_machines pair;
    pair.door = pair.server->listen(pair.io.get_executor(), web);
    pair.server_clock->suspend(1h);
    CHECK(pair.failure_to(web) == errc::connect_failed);
    pair.time.pass(1h);
    pair.open();
}
