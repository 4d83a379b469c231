#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <asio/this_coro.hpp>

#include <evercert/error.hpp>
#include <evercert/manager.hpp>
#include <evercert/testing/world.hpp>

#include "catch.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using evercert::testing::acme_server;
using evercert::testing::visit_log;
using evercert::testing::world;
using evercert::testing::world_options;
using outage = evercert::testing::simulated_disk::outage;
using std::chrono::days;

namespace {

constexpr const char* page = "https://www.example.com/hello";

asio::awaitable<response> hello(request) { co_return response{"hello"}; }

asio::awaitable<void> serve(manager_options options, std::string host = "www.example.com") {
    const auto executor = co_await asio::this_coro::executor;
    manager made{executor, std::move(options)};
    made.set_hosts({identifier{host}});
    made.cache_file("/var/lib/state");
    made.handle("/hello", hello);
    co_await made.serve();
}

/// A server and a client, with the server's first certificate.
struct site {
    explicit site(world_options how = {}) : in{how} {
        server.run([this] { return serve(server.manager_options(ca)); });
        in.time().pass(1s);
        REQUIRE(ask() == 200);
    }
    int ask() {
        request what{"GET", page};
        return in.time().run(client.send(std::move(what), ca)).status;
    }
    std::error_code failure() {
        try {
            ask();
        } catch (const error& why) {
            return why.code();
        }
        return {};
    }

    world in;
    world::machine& authority = in.add_machine("ca.test");
    world::machine& server = in.add_machine("www.example.com");
    world::machine& client = in.add_machine("client.test");
    acme_server ca{in.executor(), authority.ca_options()};
};

/// Notes its beginning and its end, however that comes.
asio::awaitable<void> live(std::shared_ptr<evercert::clock> clock, duration length, std::string& notes) {
    struct end {
        std::string& notes;
        ~end() { notes += ')'; }
    } const at_the_end{notes};
    notes += '(';
    co_await clock->sleep_for(length);
    notes += '.';
}

asio::awaitable<void> fail_after(std::shared_ptr<evercert::clock> clock, duration length) {
    co_await clock->sleep_for(length);
    throw std::domain_error{"it failed"};
}

asio::awaitable<void> complain_when_cancelled(std::shared_ptr<evercert::clock> clock) {
    try {
        co_await clock->sleep_for(days{1000});
    } catch (const std::system_error&) {
        throw std::domain_error{"it was cancelled"};
    }
}

asio::awaitable<void> never_end(std::shared_ptr<evercert::clock> clock) {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await clock->sleep_for(days{1});
}

}  // namespace

TEST_CASE("a program of a machine starts at once, and again after each restart, also when it had ended") {
    world in;
    auto& one = in.add_machine("one.test");
    std::string notes;
    one.run([&] { return live(one.clock(), days{10}, notes); });
    in.time().pass(days{1});
    CHECK(notes == "(");
    one.restart();
    in.time().pass(days{1});
    CHECK(notes == "()(");
    in.time().pass(days{10});
    CHECK(notes == "()(.)");
    one.restart(outage::processes, 1h);
    in.time().pass(0s);
    CHECK(notes == "()(.)(");
    one.stop();
    CHECK(notes == "()(.)()");
    one.restart();
    in.time().pass(days{20});
    CHECK(notes == "()(.)()");
}

TEST_CASE("a machine that is off for a while starts its programs at the end of that") {
    site on;
    const auto& seen = on.client.visit(page, on.ca, 1h);
    on.in.time().pass(5h - 1min);
    CHECK(seen.made == 5);
    on.server.restart(outage::power, 3h);
    CHECK(seen.answers.at(200) == 5);
    CHECK(seen.unanswered == 3);
    CHECK(seen.untrusted == 0);
    REQUIRE(seen.failures.size() == 3);
    CHECK(seen.failures.front().find("2026-06-01T05:00:0") == 0);
    CHECK(seen.failures.front().find("10.0.0.2:443 refused") != std::string::npos);
    on.in.time().pass(2h);
    CHECK(seen.answers.at(200) == 7);
    CHECK(seen.made == 10);
    CHECK(on.ca.certificates_issued() == 1);
}

TEST_CASE("what a program throws comes out of the time that passes, but not what it throws as it is killed") {
    world in;
    auto& one = in.add_machine("one.test");
    one.run([&] { return complain_when_cancelled(one.clock()); });
    in.time().pass(1h);
    one.restart();
    one.run([&] { return fail_after(one.clock(), 1h); });
    CHECK_THROWS_AS(in.time().pass(2h), std::domain_error);
    CHECK(in.time().elapsed() == 2h);
    CHECK_THROWS_AS(one.stop(), std::domain_error);
}

TEST_CASE("a program that does not end when it is cancelled is an error, and no obstacle for the world's end") {
    world in;
    auto& one = in.add_machine("one.test");
    one.run([&] { return never_end(one.clock()); });
    in.time().pass(1s);
    try {
        one.restart();
        FAIL("it ended");
    } catch (const error& why) {
        CHECK(why.code() == errc::timed_out);
        CHECK(std::string{why.what()}.find("one.test") != std::string::npos);
    }
}

TEST_CASE("a machine's disk loses what was not synced with its power, and with its processes nothing") {
    world in;
    auto& one = in.add_machine("one.test");
    std::error_code failed;
    const auto write = [&](const std::string& name) {
        const auto folder = one.process()->open_folder("/var/lib", failed);
        folder->open_file(name, file_use::create, failed)->write(0, "text", failed);
        REQUIRE(!failed);
    };
    const auto before = one.process();
    write("kept");
    one.restart(outage::processes);
    CHECK(one.disk().content("/var/lib/kept") == "text");
    before->open_folder("/var/lib", failed);
    CHECK(failed == std::errc::io_error);
    CHECK(one.process() != before);
    CHECK(one.manager_options(acme_server{in.executor(), one.ca_options()}).disk == one.process());
    CHECK(one.file_store_options().disk == one.process());

    int lost = 0;
    for (int i = 0; i < 50; ++i) {
        const auto name = "n" + std::to_string(i);
        write(name);
        one.restart();
        lost += one.disk().content("/var/lib/" + name) != "text";
    }
    CHECK(lost > 0);
    CHECK(lost < 50);
}

TEST_CASE("a client sees an expired certificate, another name's and a stranger's as nothing to trust") {
    site on;
    SECTION("expired") {
        const auto& seen = on.client.visit(page, on.ca, days{1});
        int noted = 0;
        on.in.trace([&](wall_time, std::string_view what) {
            noted += what == "client.test does not trust https://www.example.com/hello";
        });
        on.in.network().cut(on.authority.address());
        on.in.time().pass(days{100});
        on.in.trace({});
        CHECK(noted == 11);
        CHECK(seen.untrusted == 11);  // from the 90th on
        CHECK(seen.answers.at(200) == 90);
        CHECK(seen.failures.size() == 11);
        on.in.network().heal(on.authority.address());
        on.in.time().pass(days{3});
        CHECK(on.failure() == std::error_code{});
    }
    SECTION("by a clock that is wrong") {
        on.client.clock()->step(-days{1});
        CHECK(on.failure() == errc::peer_untrusted);
        on.client.clock()->step(days{1});
        CHECK(on.ask() == 200);
    }
    SECTION("from another CA") {
        const acme_server other{on.in.executor(), on.in.add_machine("other.test").ca_options()};
        request what{"GET", page};
        CHECK_THROWS_AS(on.in.time().run(on.client.send(std::move(what), other)), error);
    }
}

TEST_CASE("a client trusts the CA's new root as soon as there is one, and speaks TLS also if the CA does") {
    world_options how;
    how.tls = GENERATE(false, true);
    site on{how};
    on.ca.faults().replace_issuer();
    CHECK(on.ask() == 200);
    on.in.time().pass(days{70});
    CHECK(on.ca.certificates_issued() == 2);
    CHECK(on.ask() == 200);
}

TEST_CASE("visits are counted by the status of their answers, whatever that is") {
    site on;
    const auto& seen = on.client.visit("https://www.example.com/else", on.ca, 1h);
    on.in.time().pass(1s);
    CHECK(seen.made == 1);
    CHECK(seen.answers == std::map<int, int>{{404, 1}});
    CHECK(seen.failures.empty());
}

TEST_CASE("a machine whose disk is slow serves what it has meanwhile, and loses nothing") {
    site on;
    on.server.blocking().takes(20s);
    const auto& seen = on.client.visit(page, on.ca, 6h);
    on.in.time().pass(days{70});
    CHECK(on.ca.certificates_issued() == 2);
    CHECK(seen.answers.at(200) == seen.made);
    on.in.network().cut(on.authority.address());
    on.server.restart();
    on.in.time().pass(days{60});
    CHECK(seen.untrusted == 0);
    CHECK(seen.answers.at(200) == seen.made);
}

TEST_CASE("stop ends visits, too") {
    site on;
    const auto& seen = on.client.visit(page, on.ca, 1h);
    on.in.time().pass(1s);
    on.client.stop();
    on.in.time().pass(5h);
    CHECK(seen.made == 1);
}

TEST_CASE("one seed is one history of a world, and its notes are traced with the true time") {
    const auto lived = [](std::uint64_t seed) {
        site on{{seed}};
        std::vector<std::string> told;
        on.in.trace([&](wall_time at, std::string_view what) {
            CHECK(at == on.in.time().now());
            told.emplace_back(what);
        });
        testing::network_conditions bad;
        bad.latency = 30ms;
        bad.resets = 0.5;
        on.in.network().conditions(bad);
        on.client.visit(page, on.ca, 3h);
        on.in.time().pass(days{5});
        on.server.restart();
        on.in.time().pass(days{5});
        on.in.trace({});
        CHECK(told.size() > 5);
        CHECK(std::count(told.begin(), told.end(), "www.example.com loses its power") == 1);
        CHECK(std::count(told.begin(), told.end(), "client.test got no answer from https://www.example.com/hello") > 3);
        return on.in.hash();
    };
    const auto once = lived(1);
    CHECK(lived(1) == once);
    CHECK(lived(2) != once);
}

TEST_CASE("machines of a world have addresses, clocks, disks and draws of their own") {
    world in;
    auto& one = in.add_machine("one.test");
    auto& other = in.add_machine("other.test");
    CHECK(one.address().to_string() == "10.0.0.1");
    CHECK(other.address().to_string() == "10.0.0.2");
    one.clock()->step(1h);
    CHECK(other.clock()->wall() == in.time().now());
    one.disk().put("/var/lib/mine", "");
    CHECK(other.disk().files("/var").empty());
    const acme_server ca{in.executor(), one.ca_options()};
    CHECK(one.manager_options(ca).seed != other.manager_options(ca).seed);
    CHECK(in.time().run(other.network()->resolve("one.test")).front() == one.address());
    CHECK(in.draw() != in.draw());
    CHECK(in.draw_share() < 1);
}

TEST_CASE("several managers live in one world, and one that is cut off or sleeps holds up no other") {
    world in;
    auto& authority = in.add_machine("ca.test");
    acme_server ca{in.executor(), authority.ca_options()};
    auto& client = in.add_machine("client.test");
    std::vector<world::machine*> servers;
    std::vector<const visit_log*> seen;
    for (const auto* name : {"a.test", "b.test", "c.test"}) {
        auto& server = in.add_machine(name);
        server.run([&server, &ca] { return serve(server.manager_options(ca), server.name()); });
        servers.push_back(&server);
        seen.push_back(&client.visit("https://" + server.name() + "/hello", ca, 1h));
    }
    in.network().cut(servers[0]->address(), testing::cut_type::silent);
    servers[1]->clock()->suspend(days{10});
    in.time().pass(days{1});
    CHECK(ca.certificates_issued() == 1);
    CHECK(seen[2]->answers.at(200) == seen[2]->made);
    in.network().heal(servers[0]->address());
    in.time().pass(days{10});
    CHECK(ca.certificates_issued() == 3);
    for (const auto* each : seen) {
        CHECK(each->answers.at(200) > 20);
        CHECK(each->untrusted == 0);
    }
}
