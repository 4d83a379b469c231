#include "catch.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr auto day = std::chrono::days{1};
const wall_time y1970 = std::chrono::sys_days{std::chrono::year{1970} / 1 / 2};
const wall_time y2050 = std::chrono::sys_days{std::chrono::year{2050} / 1 / 1};

int orders(test::simulated_site& site) { return site.ca->count("newOrder"); }

void set_right(test::simulated_site& site) { site.clock->set(site.ca_clock->wall()); }

std::uint16_t api_port(test::simulated_site& site) {
    const auto url = site.ca->directory_url();
    return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
}

}  // namespace

TEST_CASE("a device that boots in 1970 serves what its store has, orders nothing, and goes on when its clock is set") {
    const bool connected = GENERATE(true, false);
    CAPTURE(connected);
    test::simulated_site site;
    site.start();
    const auto first = site.cert("a.test");
    site.pass(70 * day);  // renewed once
    site.stop();
    const auto known = site.run(site.store->list("certificates/"));
    const int before = orders(site);
    // It was off for three months.
    site.pass(90 * day);
    site.clock->set(y1970);
    if (!connected)
        site.net->unreachable.insert(api_port(site));
    site.forget_events();
    site.make_manager();
    site.start();
    site.pass(1h);
    const auto served = site.ask("a.test");
    REQUIRE(served);
    CHECK(served->serial() != first->serial());
    CHECK_FALSE(site.ask("new.test"));
    CHECK(site.refusal == errc::clock_doubted);
    CHECK(site.manager->status().clock_doubt);
    CHECK(site.heard(event_type::clock_doubted) == 1);
    CHECK(site.heard(event_type::forgotten) == 0);
    CHECK(orders(site) == before);
    CHECK(site.run(site.store->list("certificates/")) == known);
    site.pass(2 * day);
    CHECK(orders(site) == before);
    set_right(site);
    if (!connected)
        site.net->unreachable.clear();
    // What fell due meanwhile, within a few minutes; the last certificate has expired by now.
    CHECK(site.until([&] { return site.manager->find("a.test")->not_after() > site.clock->wall(); }, 20min));
    CHECK(site.heard(event_type::clock_trusted) == 1);
    CHECK_FALSE(site.manager->status().clock_doubt);
    CHECK(site.ask("new.test"));
}

TEST_CASE("limits that are read in 1970 are not used up when the clock is set") {
    test::simulated_site site;
    site.start();
    CHECK(site.ask("a.test"));
    site.stop();
    site.clock->set(y1970);
    site.make_manager();
    site.start();
    site.pass(1min);
    set_right(site);
    site.pass(2min);
    for (int i = 0; i < 8; ++i)
        CHECK(site.ask("b" + std::to_string(i) + ".test"));
}

TEST_CASE("a wall clock in 2050 orders, renews and deletes nothing, and the certificates are served") {
    test::simulated_site site;
    site.start();
    const auto first = site.cert("a.test");
    site.pass(1 * day);
    const int before = orders(site);
    site.clock->set(y2050);
    SECTION("while the manager runs") {}
    SECTION("at its start") { site.restart(); }
    SECTION("at its start, without a connection") {
        site.net->unreachable.insert(api_port(site));
        site.restart();
    }
    site.pass(5 * day);
    REQUIRE(site.ask("a.test"));
    CHECK(site.ask("a.test")->serial() == first->serial());
    CHECK_FALSE(site.ask("new.test"));
    CHECK(orders(site) == before);
    CHECK(site.heard(event_type::clock_doubted) >= 1);
    CHECK(site.heard(event_type::forgotten) == 0);
    CHECK(site.heard(event_type::clock_trusted) == 0);
    site.net->unreachable.clear();
    set_right(site);
    site.pass(15min);
    CHECK(site.heard(event_type::clock_trusted) == 1);
    CHECK(site.ask("new.test"));
    CHECK(site.ask("a.test")->serial() == first->serial());
    site.pass(70 * day);
    CHECK(site.manager->find("a.test")->serial() != first->serial());
    CHECK(site.heard(event_type::expired) <= 1);
}

TEST_CASE("a clock that is stepped back is doubted until it is set right, and renewals are in time") {
    const duration back = GENERATE(duration{1h}, duration{365 * day});
    CAPTURE(back.count());
    test::simulated_site site{
        [](auto& options) { options.renewal_info = false; }, [](auto& ca) { ca.lifetime = 6 * day; }};
    site.start();
    const auto first = site.cert("a.test");
    site.pass(1 * day);
    const int before = orders(site);
    site.clock->step(-back);
    site.pass(1 * day);
    CHECK(site.heard(event_type::clock_doubted) == 1);
    CHECK(site.ask("a.test") == first);
    CHECK(orders(site) == before);
    site.clock->step(back);
    site.pass(1 * day + 12h);
    CHECK(site.heard(event_type::clock_trusted) == 1);
    CHECK(site.manager->find("a.test") != first);
    CHECK(orders(site) == before + 1);
}

TEST_CASE("what failed or was to be removed while the clock was months ahead is renewed in time once it is right") {
    // Expired by it, or so long ago that it would be removed.
    const auto ahead = GENERATE(100 * day, 300 * day);
    CAPTURE(ahead.count());
    test::simulated_site site{[](auto& options) { options.renewal_info = false; }};
    site.start();
    const auto first = site.cert("a.test");
    site.pass(1 * day);
    site.stop();
    site.clock->step(ahead);
    site.net->unreachable.insert(api_port(site));
    site.make_manager();
    site.start();
    site.pass(6h);
    CHECK((site.heard(event_type::failed) > 0) == (ahead == 100 * day));
    CHECK(site.heard(event_type::forgotten) == 0);
    CHECK(site.heard(event_type::clock_doubted) == 0);
    site.net->unreachable.clear();
    set_right(site);
    site.forget_events();
    site.pass(75 * day);
    CHECK(site.manager->find("a.test")->serial() != first->serial());
    CHECK(site.heard(event_type::renewed) == 1);
    CHECK(orders(site) == 2);
}

TEST_CASE("a small correction of the clock is no reason to doubt it") {
    test::simulated_site site;
    site.start();
    site.cert("a.test");
    for (const auto by : {5min, -5min, 9min, -9min}) {
        site.clock->step(by);
        site.pass(3h);
    }
    CHECK(site.heard(event_type::clock_doubted) == 0);
    CHECK(site.ask("b.test"));
}

TEST_CASE("a machine that was suspended is not doubted for long, and renews what fell due") {
    test::simulated_site site{{}, [](auto& ca) { ca.lifetime = 6 * day; }};
    site.start();
    const auto first = site.cert("a.test");
    for (int i = 0; i < 3; ++i) {
        site.pass(2h);
        site.clock->suspend(8h);
        site.pass(2min);
        CHECK_FALSE(site.manager->status().clock_doubt);
    }
    site.clock->suspend(3 * day);
    CHECK(site.until([&] { return site.manager->find("a.test") != first; }, 3min));
    CHECK(site.heard(event_type::clock_doubted) == site.heard(event_type::clock_trusted));
    const auto second = site.manager->find("a.test");
    // Past its end: served until the new one is there.
    site.clock->suspend(8 * day);
    CHECK(site.ask("a.test"));
    CHECK(site.until([&] { return site.manager->find("a.test") != second; }, 3min));
    CHECK(site.manager->find("a.test")->not_after() > site.clock->wall());
}

TEST_CASE("a machine that is suspended without a connection renews when it has one") {
    test::simulated_site site{{}, [](auto& ca) { ca.lifetime = 6 * day; }};
    site.start();
    const auto first = site.cert("a.test");
    site.net->unreachable.insert(api_port(site));
    site.clock->suspend(4 * day);
    site.pass(3h);
    CHECK(site.ask("a.test") == first);
    CHECK(site.heard(event_type::forgotten) == 0);
    site.net->unreachable.clear();
    CHECK(site.until([&] { return site.manager->find("a.test") != first; }, 6h + 40min));
}

TEST_CASE("a clock that the CA's Date contradicts is doubted at the first order, and no order is sent") {
    const duration off = GENERATE(duration{2h}, duration{-30min}, duration{30 * day});
    CAPTURE(off.count());
    test::simulated_site site;
    site.clock->step(off);
    site.start();
    CHECK_FALSE(site.ask("a.test"));
    CHECK(orders(site) == 0);
    CHECK(site.heard(event_type::clock_doubted) == 1);
    set_right(site);
    site.pass(2min);  // a look every minute
    CHECK(site.heard(event_type::clock_trusted) == 1);
    CHECK(site.ask("a.test"));
}

TEST_CASE("while the clock is doubted the CA is asked for its Date at intervals, and nothing else") {
    test::simulated_site site;
    site.start();
    site.cert("a.test");
    site.pass(1 * day);
    const int before = site.requests();
    site.clock->step(-30min);
    site.pass(1 * day);
    // Every ten minutes, at the next look of each minute.
    CHECK(site.requests() - before <= 24 * 6 + 3);
    CHECK(site.requests() - before >= 24 * 6 - 10);
}

TEST_CASE("nothing is deleted while the clock is doubted, however long ago it says that a certificate expired") {
    test::simulated_site site{[](auto& options) { options.expired_kept = 1 * day; }};
    site.start();
    site.cert("a.test");
    site.manager->set_hosts({});
    site.pass(1h);
    site.clock->set(y2050);
    site.pass(3 * day);
    CHECK(site.manager->find("a.test"));
    CHECK(site.run(site.store->list("certificates/")).size() == 1);
    set_right(site);
    site.pass(1h);
    CHECK(site.manager->find("a.test"));
    CHECK(site.heard(event_type::forgotten) == 0);
}

TEST_CASE("a blip of the clock ends no Retry-After, and gives back nothing of the CA's limits") {
    const auto wrong = GENERATE(y1970, y2050);
    const std::string when = GENERATE("running", "at its start", "stopped in it");
    CAPTURE(wrong.time_since_epoch().count(), when);
    test::simulated_site site{[](auto& options) {
        options.limits = ca_limits{};
        options.limits->orders = {3, 30 * day};
        options.limits->renewal_reserve_percent = 0;
    }};
    site.start();
    CHECK(site.cert("a.test"));
    CHECK(site.cert("b.test"));
    site.ca->fail_all("newOrder", 429, "rateLimited", "too many", "86400");
    CHECK_FALSE(site.ask("c.test"));
    site.ca->recover();
    CHECK(orders(site) == 3);
    const auto retry = site.status("c.test").next_at.value();
    const auto used_up = site.manager->can_issue({"d.test"});
    CHECK_FALSE(used_up.now);
    site.pass(1h);
    if (when == "at its start")
        site.stop();
    site.clock->set(wrong);
    if (when == "at its start") {
        site.make_manager();
        site.start();
    }
    for (int i = 0; i < 3; ++i) {
        CHECK_FALSE(site.ask("c.test"));
        CHECK_FALSE(site.ask("d.test"));
        CHECK_FALSE(site.manager->can_issue({"d.test"}).now);
        site.pass(5min);
    }
    if (when == "stopped in it")
        site.stop();
    set_right(site);
    if (when == "stopped in it") {
        site.make_manager();
        site.start();
    }
    site.pass(15min);
    CHECK_FALSE(site.manager->status().clock_doubt);

    // Whom the CA told when to come back comes neither earlier nor much later, and for an application, too.
    CHECK_FALSE(site.ask("c.test"));
    CHECK(site.refusal_text.find("too many") != std::string::npos);
    CHECK_THROWS_AS(site.cert("c.test"), error);
    const auto& c = site.status("c.test");
    CHECK(c.next_at.value() - retry < 1s);
    CHECK(retry - c.next_at.value() < 1s);
    const auto still = site.manager->can_issue({"d.test"});
    CHECK_FALSE(still.now);
    CHECK(still.because == used_up.because);
    CHECK(still.not_before - used_up.not_before < 1s);
    CHECK(used_up.not_before - still.not_before < 1s);
    CHECK(orders(site) == 3);
    site.pass(used_up.not_before - site.clock->wall() + 1s);
    CHECK(site.ask("c.test"));
}
