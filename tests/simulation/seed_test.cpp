#include <string>

#include "catch.hpp"
#include "faults.hpp"
#include "site.hpp"

namespace simulation {

namespace {

struct history {
    std::string hash, notes;
    std::uint64_t issued = 0;
};

/// Some months of a small site, with a kill -9 in the middle.
history live(std::uint64_t seed) {
    options how;
    how.seed = seed;
    how.names = 5;
    site on{how};
    history lived;
    on.world.trace([&](wall_time, std::string_view what) { lived.notes.append(what) += '\n'; });
    const auto half = std::chrono::days{55};
    plan_faults(on, 2 * half);
    on.world.time().pass(half);
    on.restart(site::end_type::kill);
    on.world.time().pass(half);
    on.world.trace({});
    lived.hash = on.world.hash();
    lived.issued = on.issued();
    on.end();
    CHECK_FALSE(on.found().first());
    return lived;
}

}  // namespace

TEST_CASE("a seed is one history of the simulation, and another seed another one") {
    const auto once = live(1), again = live(1), other = live(2);
    CHECK(once.issued > 5);
    CHECK(once.notes.find("begins: ") != std::string::npos);
    CHECK(once.notes == again.notes);
    CHECK(once.hash == again.hash);
    CHECK(once.notes != other.notes);
    CHECK(once.hash != other.hash);
}

TEST_CASE("clients that meet no server are nothing that its manager has to know of") {
    options how;
    how.names = 2;
    how.faults = fault_level::none;
    site on{how};
    on.world.time().pass(std::chrono::hours{1});
    const auto& name = on.names.back();
    on.disk.fail(evercert::testing::simulated_disk::fault::broken);
    on.world.time().call_at(on.world.time().elapsed() + std::chrono::days{2}, [&on] {
        on.disk.fail(evercert::testing::simulated_disk::fault::none);
    });
    // It starts when the disk works, and clients have come back every hour or two until then.
    on.restart(site::end_type::kill);
    on.world.time().pass(std::chrono::hours{3});
    CHECK(on.order_of_turns().wanted_at_least(name, on.world.time().now()) < 3);
    on.world.time().pass(std::chrono::days{8});
    CHECK(on.order_of_turns().wanted_at_least(name, on.world.time().now()) > 0);
}

}  // namespace simulation
