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
    auto [authority, server, warehouse, customer] =
        world.add_machines("ca.test", "shop.example", "warehouse.example", "customer.example");
    testing::acme_server ca{world.executor(), authority.ca_options()};
    warehouse.run([&] { return shop::run_warehouse(warehouse.network(), warehouse.address(), "tea 5\n"); });
    server.run([&] { return shop::run({server.manager_options(ca), "shop.example", "warehouse.example"}); });
    world.time().pass(1min);
    const auto& seen = customer.visit("https://shop.example/prices", ca, 6h);
    world.time().pass(days{50});
    authority.cut_off(days{35});  // the CA dies just before it is needed, until five days before the certificate ends
    world.time().pass(days{25});
    server.restart();  // a power cut, without a CA to turn to
    world.time().pass(days{75});
    warehouse.cut_off(days{2});  // no new prices: the shop tries again, and not too often
    world.time().pass(days{365} - world.time().elapsed());
    CHECK(world.network().failed() < 700);
    CHECK(seen.answers.at(200) == seen.made);  // none was untrusted, none without an answer
}
// [/snippet]

TEST_CASE("the shop's certificate is revoked, its warehouse is gone for two days, its process is killed") {
    testing::world world{{.seed = 8}};
    auto [authority, server, warehouse, customer] =
        world.add_machines("ca.test", "shop.example", "warehouse.example", "customer.example");
    testing::acme_server ca{world.executor(), authority.ca_options()};
    warehouse.run([&] { return shop::run_warehouse(warehouse.network(), warehouse.address(), "tea 5\n"); });
    server.run([&] { return shop::run({server.manager_options(ca), "shop.example", "warehouse.example"}); });
    world.time().pass(1min);
    const auto& seen = customer.visit("https://shop.example/prices", ca, 6h);

    world.time().pass(days{10});
    ca.faults().revoke_all();
    world.time().pass(days{1});
    CHECK(ca.certificates_issued() == 2);

    server.cut_off(warehouse, days{2});
    world.time().pass(days{2});
    CHECK(world.network().failed() > 10);  // tries were made, and not too many
    CHECK(world.network().failed() < 500);
    world.time().pass(15min);
    const auto answer = world.time().run(customer.send({"GET", "https://shop.example/prices"}, ca));
    CHECK(std::stoi(std::string{answer.fields.get("Age")}) < 900);  // the shop noticed by itself

    server.restart(testing::simulated_disk::outage::processes);  // kill -9
    world.time().pass(days{30});
    CHECK(seen.untrusted == 0);
    CHECK(seen.answers.at(200) == seen.made);
}
