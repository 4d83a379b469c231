#include <chrono>
#include <string>

#include <evercert/testing/world.hpp>

#include "catch.hpp"
#include "shop.hpp"

using namespace std::chrono_literals;
using std::chrono::days;
namespace testing = evercert::testing;

// What docs/testing.md shows stands between the brackets.
// [snippet]
TEST_CASE("a year of the shop: its CA dies, and no customer sees an expired certificate") {
    testing::world world{{.seed = 7}};
    auto& authority = world.add_machine("ca.test");
    auto& server = world.add_machine("shop.example");
    auto& warehouse = world.add_machine("warehouse.example");
    auto& customer = world.add_machine("customer.example");
    testing::acme_server ca{world.executor(), authority.ca_options()};
    warehouse.run([&] { return shop::run_warehouse(warehouse.network(), warehouse.address(), "tea 5\n"); });
    server.run([&] { return shop::run({server.manager_options(ca), "shop.example", "warehouse.example"}); });
    world.time().pass(1min);
    const auto& seen = customer.visit("https://shop.example/prices", ca, 6h);

    world.time().pass(days{50});
    world.network().cut(authority.address());  // the CA dies, just before it is needed
    world.time().pass(days{25});
    server.restart();  // a power cut, without a CA to turn to
    world.time().pass(days{10});
    world.network().heal(authority.address());  // five days before the certificate ends
    world.time().pass(days{30});
    ca.faults().revoke_all();
    world.time().pass(days{1});
    CHECK(ca.certificates_issued() == 3);

    world.network().cut(server.address(), warehouse.address());  // two days without new prices
    world.time().pass(days{2});
    CHECK(world.network().failed() < 500);  // tries were made, and not too many
    world.network().heal(server.address(), warehouse.address());
    world.time().pass(15min);
    const auto answer = world.time().run(customer.send({"GET", "https://shop.example/prices"}, ca));
    CHECK(std::stoi(std::string{answer.fields.get("Age")}) < 900);  // the shop noticed by itself

    server.restart(testing::simulated_disk::outage::processes);  // kill -9
    world.time().pass(days{365} - world.time().elapsed());
    CHECK(seen.untrusted == 0);
    CHECK(seen.answers.at(200) == seen.made);
}
// [/snippet]
