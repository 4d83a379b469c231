#include "catch.hpp"
#include "http/pace.hpp"

using namespace evercert;
using namespace std::chrono_literals;

TEST_CASE("a client may stall for so long, and has to keep a rate once its grace is used up") {
    pace_limits limits;
    limits.stall_max = 30s;
    limits.rate_min = 100;
    limits.grace = 5s;
    struct row {
        duration waited;
        std::uint64_t bytes;
        duration patience;
    };
    for (const auto& each : {
             row{0s, 0, 5s},
             row{5s, 0, 0s},
             row{6s, 0, -1s},
             row{6s, 250, 1500ms},
             row{100s, 100'000, 30s},
             row{1000s, 100'000, 5s},
             row{0s, std::uint64_t{1} << 62, 30s},
         }) {
        pace client;
        client.waited = each.waited;
        client.bytes = each.bytes;
        CHECK(client.patience(limits) == each.patience);
    }
    limits.rate_min = 0;
    CHECK(pace{1000s, 0}.patience(limits) == 30s);
}
