// Who waits for our own limits, and with whom.

#include <algorithm>

#include "catch.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr auto day = std::chrono::days{1};

/// What a newcomer waits for in this limiter.
std::chrono::seconds wait_for(const test::simulated_site& site, std::string_view limiter) {
    const auto status = site.manager->status();
    const auto found = std::find_if(
        status.limiters.begin(), status.limiters.end(), [&](const auto& one) { return one.name == limiter; });
    REQUIRE(found != status.limiters.end());
    return found->wait;
}

/// a.test took the only token, and somebody has waited a second for b.test's.
struct held_up_site {
    enum class who { application, client };

    explicit held_up_site(test::simulated_site::change limits, who waits = who::application) : site{std::move(limits)} {
        site.start();
        site.cert("a.test");
        auto asking = waits == who::application ? site.manager->cert("b.test")
                                                : site.manager->get_certificate(client_hello{"b.test", {}});
        waiting.emplace(site.io.get_executor(), std::move(asking));
        site.pass(1s);
        REQUIRE_FALSE(waiting->ended());
    }
    void check_refused_at_once() {
        const auto asked = site.time.elapsed();
        CHECK_FALSE(site.ask("b.test"));
        CHECK(site.refusal == errc::rate_limited);
        CHECK(site.time.elapsed() - asked < 1s);
        const auto now = site.clock->wall();
        const auto& told = site.heard().back();
        CHECK(told.type == event_type::refused);
        CHECK(told.names == std::vector<identifier>{"b.test"});
        CHECK(told.text.find("our own limits hold the order up") != std::string::npos);
        REQUIRE(told.next);
        CHECK(*told.next > now + 58min);
        CHECK(*told.next <= now + 3h);
    }

    test::simulated_site site;
    std::optional<test::started<certificate_ptr>> waiting;
};

}  // namespace

TEST_CASE("a client does not wait with an application that our limits hold up for long") {
    held_up_site it{[](auto& options) { options.orders = {1h, 1}; }};
    it.check_refused_at_once();
    CHECK(it.site.until([&] { return it.waiting->ended(); }, 61min));
    CHECK(it.waiting->take());
    CHECK(it.site.ask("b.test"));
}

TEST_CASE("clients of one name wait together for a token that comes in time") {
    held_up_site it{[](auto& options) { options.orders = {20s, 1}; }, held_up_site::who::client};
    CHECK(it.site.ask("b.test"));
    CHECK(it.waiting->ended());
    CHECK(it.site.ca->count("newOrder") == 2);
}

TEST_CASE("a client does not wait with an application that the limit of new hosts holds up for long") {
    held_up_site it{[](auto& options) { options.new_hosts = {3h, 1}; }};
    it.check_refused_at_once();
    it.site.pass(3h - 20s);
    CHECK(it.site.ask("b.test"));  // it is nearly there
    CHECK(it.waiting->ended());
}

TEST_CASE("clients wait with a second attempt that pays for no new host any more") {
    test::simulated_site site{[](auto& options) {
        options.new_hosts = {3h, 1};
        options.orders = {20s, 1};
        options.order_ceiling = {};
    }};
    site.start();
    site.ca->faults().fail_validations(1, "connection");
    test::started<certificate_ptr> first{
        site.io.get_executor(), site.manager->get_certificate(client_hello{"a.test", {}})};
    site.pass(5s);
    REQUIRE(site.ca->count("newOrder") == 1);
    // It waits for the next challenge's order; the next token for a new host is 3 h away.
    REQUIRE_FALSE(first.ended());
    site.ca->recover();
    CHECK(site.ask("a.test"));
    CHECK(first.take());
    CHECK(site.ca->count("newOrder") == 2);
}

TEST_CASE(
    "while a CA hangs the first client waits for a better certificate than an expired one, and the others do not") {
    test::simulated_site site{
        [](auto& options) { options.renewal_info = false; }, [](auto& ca) { ca.lifetime = 6 * day; }};
    site.start();
    const auto first = site.cert("a.test");
    site.stop();
    site.pass(7 * day);
    site.make_manager();
    site.start();
    site.ca->faults().hang_orders(true);
    const auto wait_of_next = [&] {
        const auto asked = site.time.elapsed();
        const auto got = site.ask("a.test");
        REQUIRE(got);
        CHECK(got->serial() == first->serial());
        return site.time.elapsed() - asked;
    };
    site.pass(20s);
    REQUIRE(site.status("a.test").state == certificate_state::expired);
    const auto longest = wait_of_next();
    CHECK(longest <= 30s);
    for (int i = 0; i < 3; ++i)
        CHECK(wait_of_next() < 1s);
    site.ca->faults().hang_orders(false);
    REQUIRE(site.until([&] { return site.manager->find("a.test")->serial() != first->serial(); }, 1 * day));
}

TEST_CASE("a client that a limit refuses is told of, with the limit and until when, be it ours or the CA's") {
    const bool ours = GENERATE(true, false);
    CAPTURE(ours);
    test::simulated_site site{[ours](auto& options) {
        ca_limits limits;
        limits.certificates_per_domain = {1, std::chrono::days{7}};
        limits.renewal_reserve_percent = 0;
        options.limits = limits;
        if (ours)
            options.orders = {1h, 1};
    }};
    site.start();
    site.cert("a.test");
    CHECK_FALSE(site.ask(ours ? "b.test" : "b.a.test"));
    CHECK(site.refusal == errc::rate_limited);
    const auto& told = site.heard().back();
    CHECK(told.type == event_type::refused);
    CHECK(told.text.find(ours ? "our own limit of new orders" : "the CA's limits forbid") != std::string::npos);
    REQUIRE(told.next);
    const auto wait = *told.next - site.clock->wall();
    CHECK(wait > (ours ? duration{59min} : duration{6 * day}));
    CHECK(wait <= (ours ? duration{1h} : duration{7 * day + 1h}));
}

TEST_CASE("who pays one limiter and is refused by the next gets back what it paid") {
    test::simulated_site site{[](auto& options) {
        options.new_hosts = {20s, 1};
        options.orders = {24h, 2};
        options.order_ceiling = {};
        options.admission = [](identifier) -> asio::awaitable<bool> { co_return true; };
    }};
    site.start();
    site.manager->set_hosts({"listed.test"});
    CHECK(site.ask("a.test"));
    test::started<certificate_ptr> waiting{
        site.io.get_executor(), site.manager->get_certificate(client_hello{"b.test", {}})};
    site.pass(1s);
    CHECK(site.cert("listed.test"));
    site.pass(25s);
    REQUIRE(waiting.ended());
    CHECK_THROWS_AS(waiting.take(), error);
    CHECK(wait_for(site, "new_hosts") == 0s);
}

TEST_CASE(
    "who is stopped while waiting for one limiter gets back what it paid to the one before, also after the restart") {
    test::simulated_site site{[](auto& options) {
        options.new_hosts = {24h, 2};
        options.orders = {10h, 1};
        options.order_ceiling = {};
    }};
    site.start();
    site.cert("a.test");
    test::started<certificate_ptr> waiting{site.io.get_executor(), site.manager->cert("b.test")};
    site.pass(1s);
    REQUIRE(wait_for(site, "new_hosts") > 23h);
    site.restart();
    CHECK_THROWS_AS(waiting.take(), error);
    site.pass(10s);
    CHECK(wait_for(site, "new_hosts") == 0s);
    CHECK(wait_for(site, "orders") > 9h);
}
