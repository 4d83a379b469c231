#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>

#include <evercert/evercert.hpp>
#include <evercert/testing/world.hpp>

#include "catch.hpp"

// What docs/testing.md shows of simulations, but for the shop's year, stands between the brackets.

using namespace std::chrono_literals;
using std::chrono::days;
namespace testing = evercert::testing;

namespace {

// [snippet]
asio::awaitable<void> tell(evercert::event_stream events, testing::world& world) {
    try {
        for (;;) {
            const auto event = co_await events.next();
            if (event.type != evercert::event_type::saved)
                world.note(to_string(event.type));
        }
    } catch (const evercert::error& end) {
        if (end.code() != evercert::errc::stopped)
            throw;
    }
}
// [/snippet]

// [snippet]
class failing_store final : public evercert::store {
public:
    explicit failing_store(std::shared_ptr<evercert::store> next) : next_{std::move(next)} {}
    bool fails = false;

    asio::awaitable<void> save(std::string key, std::string value, evercert::lease under) override {
        if (fails)
            throw evercert::error{evercert::errc::store_failed, "the test wants it so"};
        return next_->save(std::move(key), std::move(value), std::move(under));
    }
    asio::awaitable<std::optional<std::string>> load(std::string key) override { return next_->load(std::move(key)); }
    asio::awaitable<void> remove(std::string key) override { return next_->remove(std::move(key)); }
    asio::awaitable<std::vector<std::string>> list(std::string prefix) override {
        return next_->list(std::move(prefix));
    }
    asio::awaitable<evercert::lease> lock(std::string key, std::chrono::seconds length) override {
        return next_->lock(std::move(key), length);
    }
    asio::awaitable<void> unlock(evercert::lease held) override { return next_->unlock(std::move(held)); }

private:
    std::shared_ptr<evercert::store> next_;
};
// [/snippet]

asio::awaitable<void> serve(testing::world& world, evercert::manager_options options) {
    const auto executor = co_await asio::this_coro::executor;
    evercert::manager manager{executor, std::move(options)};
    manager.set_hosts({"www.example.com"});
    asio::co_spawn(executor, tell(manager.events(), world), evercert::rethrow);
    co_await manager.serve();
}

struct site {
    testing::world world;
    testing::world::machine& authority = world.add_machine("ca.test");
    testing::world::machine& server = world.add_machine("www.example.com");
    testing::world::machine& client = world.add_machine("client.test");
    testing::acme_server ca{world.executor(), authority.ca_options()};
};

}  // namespace

TEST_CASE("the network's faults are as docs/testing.md shows them") {
    site on;
    auto& [world, authority, server, client, ca] = on;
    server.run([&on] { return serve(on.world, on.server.manager_options(on.ca)); });
    world.time().pass(1s);
    // [snippet]
    testing::network_conditions bad;
    bad.latency = 40ms;
    bad.jitter = 20ms;
    bad.loss = 0.02;    // of the moments in which something is sent: retransmitted, later
    bad.resets = 0.01;  // of the connections
    world.network().conditions(bad);

    world.network().cut(server.address());                                 // from all others
    world.network().cut(server.address(), client.address());               // from one another
    world.network().cut(authority.address(), testing::cut_type::refused);  // its server is down
    world.time().call_at(world.time().elapsed() + days{3}, [&] {           // while time passes
        world.network().heal(server.address());
    });
    world.network().reset(client.address());  // what it has open breaks
    // [/snippet]
    world.network().heal(server.address(), client.address());
    const auto there = [&](testing::world::machine& from) {
        try {
            return world.time().run(from.network()->connect({server.address(), 80})) != nullptr;
        } catch (const evercert::error&) {
            return false;
        }
    };
    CHECK(!there(client));
    world.time().pass(days{3});
    CHECK(there(client));
    CHECK(!there(authority));
}

TEST_CASE("clocks and machines are as docs/testing.md shows them") {
    site on;
    auto& [world, authority, server, client, ca] = on;
    const auto before = server.clock()->steady();
    // [snippet]
    server.clock()->step(-days{2});  // somebody sets it wrong
    server.clock()->set(world.time().now());
    server.clock()->suspend(8h);  // a laptop is closed: nothing on it runs, and nobody reaches it
    world.time().pass(8h);

    server.restart();                                            // a power cut
    server.restart(testing::simulated_disk::outage::processes);  // kill -9
    server.restart(testing::simulated_disk::outage::power, 4h);  // and no power for four hours
    // [/snippet]
    CHECK(server.clock()->wall() == world.time().now());
    CHECK(server.clock()->steady() - before == 4h);
}

TEST_CASE("a trace, and a store of one's own, are as docs/testing.md shows them") {
    site on;
    auto& [world, authority, server, client, ca] = on;
    std::vector<std::string> told;
    // [snippet]
    world.trace([&](evercert::wall_time, std::string_view what) {
        told.push_back(std::to_string(world.time().elapsed() / 1h) + " h: " + std::string{what});
    });
    // [/snippet]
    // [snippet]
    const auto store = std::make_shared<failing_store>(evercert::memory_store(server.clock()));
    server.run([&] {
        auto options = server.manager_options(ca);
        options.store = store;
        return serve(world, std::move(options));
    });
    // [/snippet]
    world.time().pass(1s);
    client.visit("https://www.example.com/", ca, 12h);
    world.time().pass(days{30});
    world.network().cut(authority.address());
    world.time().pass(days{40});
    store->fails = true;  // while renewals fail, which is written down
    world.time().pass(days{2});
    store->fails = false;
    world.time().pass(days{23});
    const auto has = [&](const std::string& what) {
        return std::count_if(told.begin(), told.end(), [&](const auto& each) { return each.ends_with(what); });
    };
    CHECK(has("h: published") == 1);
    CHECK(has("h: failed") > 10);
    CHECK(has("h: expiring") == 1);
    CHECK(has("h: expired") == 1);
    CHECK(has("h: client.test does not trust https://www.example.com/") > 5);
    CHECK(has("h: save_failed") > 0);
    CHECK(has("0 h: registered") == 1);
}

TEST_CASE("a disk that loses its power is as docs/testing.md shows it") {
    for (unsigned seed = 0; seed < 10; ++seed) {
        testing::world world;
        auto& server = world.add_machine("www.example.com");
        const auto save = [](std::shared_ptr<evercert::store> to, std::string value) {
            return to->save("accounts/one", std::move(value));
        };
        // [snippet]
        testing::simulated_disk disk{std::mt19937_64{seed}};
        disk.create_folder("/var/lib");
        auto options = server.file_store_options();
        options.disk = disk.process();
        world.time().run(save(evercert::file_store("/var/lib/evercert", options), R"({"n":1})"));
        disk.crash_after(seed);  // this write, fsync or rename from now is the last
        CHECK_THROWS(world.time().run(save(evercert::file_store("/var/lib/evercert", options), R"({"n":2})")));
        disk.restart();  // what was not synced is there, lost or torn
        options.disk = disk.process();
        const auto kept = world.time().run(evercert::file_store("/var/lib/evercert", options)->load("accounts/one"));
        CHECK((kept == R"({"n":1})" || kept == R"({"n":2})"));
        // [/snippet]
    }
}
