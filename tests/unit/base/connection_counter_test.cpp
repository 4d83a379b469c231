#include <vector>

#include <evercert/address_range.hpp>
#include <evercert/error.hpp>

#include "base/connection_counter.hpp"
#include "catch.hpp"

using namespace evercert;
using refusal = connection_counter::refusal;
using permit = connection_counter::permit;

namespace {

asio::ip::address at(const char* text) { return asio::ip::make_address(text); }

struct counted {
    explicit counted(std::size_t in_all, std::size_t of_client = 0, std::size_t handshakes = 0)
        : counter{std::make_shared<connection_counter>(connection_limits{in_all, of_client}, handshakes)} {}

    /// True if it was let in.
    bool enter(const char* address, bool in_handshake = true) {
        auto given = counter->enter(at(address), in_handshake, why);
        if (given)
            open.push_back(std::move(*given));
        return given.has_value();
    }

    std::shared_ptr<connection_counter> counter;
    std::vector<permit> open;
    refusal why{};
};

}  // namespace

TEST_CASE("connections are counted in all and by client, and a place is free when one ends") {
    counted all{3, 2};
    CHECK(all.enter("192.0.2.1"));
    CHECK(all.enter("192.0.2.1"));
    CHECK_FALSE(all.enter("192.0.2.1"));
    CHECK(all.why == refusal::too_many_of_client);
    CHECK(all.enter("192.0.2.2"));
    CHECK_FALSE(all.enter("192.0.2.3"));
    CHECK(all.why == refusal::full);
    CHECK(all.counter->connections() == 3);
    all.open.erase(all.open.begin());
    CHECK(all.counter->connections() == 2);
    CHECK(all.enter("192.0.2.1"));
    all.open.clear();
    CHECK(all.counter->connections() == 0);
    CHECK(all.counter->clients() == 0);
}

TEST_CASE("a host has the 64 bits that it can choose IPv6 addresses from") {
    counted all{10, 1};
    CHECK(all.enter("2001:db8::1"));
    CHECK_FALSE(all.enter("2001:db8::ffff:ffff:ffff:ffff"));
    CHECK(all.enter("2001:db8:0:1::1"));
    CHECK(all.enter("::1"));
    CHECK(all.enter("0.0.0.0"));
    CHECK(all.enter("0.0.0.1"));
}

TEST_CASE("a handshake that is done makes room for another of its client, and stays a connection") {
    counted all{10, 3, 1};
    CHECK(all.enter("192.0.2.1"));
    CHECK_FALSE(all.enter("192.0.2.1"));
    CHECK(all.why == refusal::too_many_handshakes_of_client);
    CHECK(all.enter("192.0.2.1", false));
    all.open.front().handshake_done();
    all.open.front().handshake_done();
    CHECK(all.enter("192.0.2.1"));
    CHECK_FALSE(all.enter("192.0.2.1"));
    CHECK(all.why == refusal::too_many_of_client);
}

TEST_CASE("a permit may outlive everything else") {
    permit kept;
    {
        counted all{1};
        REQUIRE(all.enter("192.0.2.1"));
        kept = std::move(all.open.front());
    }
    kept.release();
    kept.release();
}

TEST_CASE("a range of addresses contains those that begin with its bits") {
    const auto in = [](const char* range, const char* address) { return address_range{range}.contains(at(address)); };
    CHECK(in("192.0.2.0/24", "192.0.2.255"));
    CHECK_FALSE(in("192.0.2.0/24", "192.0.3.0"));
    CHECK(in("192.0.2.77/31", "192.0.2.76"));
    CHECK_FALSE(in("192.0.2.77/31", "192.0.2.78"));
    CHECK(in("192.0.2.1", "192.0.2.1"));
    CHECK(in("192.0.2.1", "::ffff:192.0.2.1"));
    CHECK(in("::ffff:192.0.2.1", "192.0.2.1"));
    CHECK_FALSE(in("192.0.2.1", "192.0.2.2"));
    CHECK(in("0.0.0.0/0", "203.0.113.9"));
    CHECK_FALSE(in("0.0.0.0/0", "2001:db8::1"));
    CHECK(in("2001:db8::/33", "2001:db8:7fff::1"));
    CHECK_FALSE(in("2001:db8::/33", "2001:db8:8000::1"));
    for (const auto* wrong : {"", "a.test", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/8x", "::/129"}) {
        INFO(wrong);
        CHECK_THROWS_AS(address_range{wrong}, error);
    }
}
