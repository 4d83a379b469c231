#include <boost/json/parse.hpp>

#include "catch.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr auto day = std::chrono::days{1};

std::vector<event_type> types_of(const std::vector<manager_event>& all) {
    std::vector<event_type> types;
    for (const auto& event : all)
        if (event.type != event_type::saved)
            types.push_back(event.type);
    return types;
}

/// As somebody sees it who asks for JSON.
std::string state_in_json(test::simulated_site& site, const std::string& name) {
    const auto all = boost::json::parse(to_json(site.manager->status())).as_object();
    for (const auto& one : all.at("certificates").as_array())
        if (one.at("names").at(0).as_string() == name)
            return std::string{one.at("state").as_string()};
    return {};
}

}  // namespace

TEST_CASE("status() goes through every state, with the next act and its reason, in JSON too") {
    test::simulated_site site{
        [](auto& options) { options.renewal_info = false; },
        [](auto& ca) { ca.lifetime = 20 * day, ca.validation_delay = 30s; }};
    site.start();
    site.manager->set_hosts({"a.test"});
    const auto expect = [&](certificate_state state, next_act next) {
        const auto status = site.status("a.test");
        CHECK(to_string(status.state) == to_string(state));
        CHECK(to_string(status.next) == to_string(next));
        CHECK_FALSE(status.reason.empty());
        CHECK(state_in_json(site, "a.test") == to_string(state));
        return status;
    };
    expect(certificate_state::not_asked_for, next_act::obtain);
    CHECK_FALSE(site.manager->status("other.test"));

    site.ca->fail_all("newOrder", 500, "serverInternal", "down");
    CHECK_FALSE(site.ask("a.test"));
    const auto failed = expect(certificate_state::failed, next_act::obtain);
    REQUIRE(failed.problem);
    CHECK(failed.problem->kind == failure_class::server);
    CHECK(failed.problem->failures == 1);
    REQUIRE(failed.next_at);
    CHECK(*failed.next_at > site.clock->wall());
    site.ca->recover();
    site.pass(2min);

    test::started<certificate_ptr> asked{site.io.get_executor(), site.manager->cert("a.test")};
    site.pass(10s);
    expect(certificate_state::obtaining, next_act::obtain);
    site.pass(1min);
    CHECK(asked.take());
    const auto valid = expect(certificate_state::valid, next_act::renew);
    CHECK(valid.not_after == site.manager->find("a.test")->not_after());
    CHECK(valid.next_at < valid.not_after);
    CHECK(valid.reason.find("third of its lifetime") != std::string::npos);
    CHECK_FALSE(valid.problem);

    const auto first = site.manager->find("a.test");
    REQUIRE(site.until([&] { return site.status("a.test").state == certificate_state::renewing; }, 15 * day));
    expect(certificate_state::renewing, next_act::renew);
    site.pass(2min);
    CHECK(site.manager->find("a.test") != first);

    site.ca->fail_all("newOrder", 500, "serverInternal", "down");
    REQUIRE(site.until([&] { return site.status("a.test").state == certificate_state::expiring; }, 20 * day));
    const auto expiring = expect(certificate_state::expiring, next_act::renew);
    CHECK(expiring.reason.find("last attempt failed") != std::string::npos);
    REQUIRE(site.until([&] { return site.heard(event_type::expired) > 0; }, 2 * day));
    site.pass(1min);
    CHECK(site.status("a.test").not_after <= site.clock->wall());
    CHECK(to_string(site.status("a.test").state) == "expired");
    // By the last twentieth of twenty days.
    CHECK(site.heard(event_type::expiring) == 1);
}

TEST_CASE(
    "status() says of what our limits hold up until when they do, before somebody asks and while somebody waits") {
    test::simulated_site site{
        [](auto& options) { options.orders = {12h, 1}; }, [](auto& ca) { ca.lifetime = 20 * day; }};
    site.start();
    site.manager->set_hosts({"a.test", "b.test"});
    CHECK(site.status("b.test").reason == "nobody has asked for it yet");
    CHECK_FALSE(site.status("b.test").next_at);
    REQUIRE(site.ask("a.test"));
    CHECK_FALSE(site.ask("b.test"));
    CHECK(site.refusal == errc::rate_limited);

    const auto in_twelve_hours = [&](const certificate_status& status) {
        REQUIRE(status.next_at);
        CHECK(*status.next_at > site.clock->wall() + 11h);
        CHECK(*status.next_at <= site.clock->wall() + 12h);
    };
    const auto refused = site.status("b.test");
    CHECK(to_string(refused.state) == "not_asked_for");
    CHECK(refused.reason.find("is refused: our own limit \"orders\" is used up") != std::string::npos);
    in_twelve_hours(refused);

    test::started<certificate_ptr> asked{site.io.get_executor(), site.manager->cert("b.test")};
    site.pass(1min);
    const auto waits = site.status("b.test");
    CHECK(to_string(waits.state) == "obtaining");
    CHECK(waits.reason == "our own limits hold its order up");
    in_twelve_hours(waits);
    site.pass(12h);
    CHECK(asked.take());
    CHECK(to_string(site.status("b.test").state) == "valid");

    // Both are due within the six hours between two polls, and one of them waits for the other's token.
    site.pass(1 * day);
    site.ca->renewal_windows(site.clock->wall() - 2h, site.clock->wall() - 1h);
    const auto is_held_up = [&](const char* name) {
        return site.status(name).reason == "our own limits hold its order up";
    };
    REQUIRE(site.until([&] { return is_held_up("a.test") || is_held_up("b.test"); }, 1 * day));
    const auto held = site.status(is_held_up("a.test") ? "a.test" : "b.test");
    CHECK(to_string(held.state) == "renewing");
    REQUIRE(held.next_at);
    CHECK(*held.next_at > site.clock->wall());
}

TEST_CASE("events are told in the order in which things happen, to every listener the same") {
    test::simulated_site site{[](auto& options) { options.renewal_info = false; }};
    site.start();
    auto other = site.manager->events();
    auto third = site.manager->events();
    site.cert("a.test");
    const auto& told = site.heard();
    const auto types = types_of(told);
    CHECK(types == std::vector{event_type::registered, event_type::obtained, event_type::published});
    bool saved = false;
    for (const auto& event : told) {
        saved = saved || (event.type == event_type::saved && event.text == "certificates/a.test");
        if (event.type == event_type::published) {
            CHECK(saved);
            CHECK(event.serial == site.manager->find("a.test")->serial());
            CHECK(event.next == site.manager->find("a.test")->not_after());
            CHECK(event.names == std::vector<identifier>{"a.test"});
        }
    }
    for (auto* listener : {&other, &third}) {
        std::vector<event_type> heard;
        while (const auto event = listener->try_next())
            heard.push_back(event->type);
        std::vector<event_type> all;
        for (const auto& event : told)
            all.push_back(event.type);
        CHECK(heard == all);
        CHECK(listener->lost() == 0);
    }
    site.forget_events();
    site.pass(70 * day);
    CHECK(types_of(site.heard()) == std::vector{event_type::renewed, event_type::published});
}

TEST_CASE("a listener that never listens loses the oldest events and holds up nobody") {
    test::simulated_site site{[](auto& options) {
        options.events_waiting_max = 3;
        options.order_ceiling = {};
    }};
    site.start();
    auto lazy = site.manager->events();
    for (int i = 0; i < 10; ++i)
        CHECK(site.ask("a" + std::to_string(i) + ".test"));
    CHECK(lazy.lost() > 0);
    int left = 0;
    while (lazy.try_next())
        ++left;
    CHECK(left == 3);
}

TEST_CASE("a failure is told with its class and its text, and when the next attempt is") {
    test::simulated_site site;
    site.start();
    site.cert("b.test");
    site.forget_events();
    site.ca->fail_all("newOrder", 400, "rejectedIdentifier", "not this one");
    CHECK_FALSE(site.ask("a.test"));
    const auto& told = site.heard();
    const auto types = types_of(told);
    CHECK(types == std::vector{event_type::failed, event_type::retry_planned});
    for (const auto& event : told) {
        if (event.type == event_type::saved)
            continue;
        CHECK(event.failure == failure_class::name_refused);
        if (event.type == event_type::failed)
            CHECK(event.text.find("not this one") != std::string::npos);
        if (event.type == event_type::retry_planned)
            CHECK(event.next == site.status("a.test").next_at);
    }
}

TEST_CASE("an expired certificate whose names are not admitted is removed after expired_kept, and not before") {
    const bool restart = GENERATE(false, true);
    CAPTURE(restart);
    test::simulated_site site{
        [](auto& options) { options.expired_kept = 5 * day; }, [](auto& ca) { ca.lifetime = 10 * day; }};
    site.start();
    site.manager->set_hosts({"a.test", "b.test"});
    const auto first = site.cert("a.test");
    site.cert("b.test");
    site.manager->set_hosts({"b.test"});
    if (restart)
        site.restart();
    const auto end = first->not_after() + 5 * day;
    site.pass(end - 1h - site.clock->wall());
    CHECK(site.status("a.test").state == certificate_state::expired);
    CHECK(site.status("a.test").next == next_act::forget);
    CHECK(site.status("a.test").next_at == end);
    CHECK(site.ask("a.test"));
    CHECK(site.run(site.store->load("certificates/a.test")));
    site.pass(1h + 2min);
    CHECK_FALSE(site.manager->find("a.test"));
    CHECK_FALSE(site.manager->status("a.test"));
    CHECK_FALSE(site.run(site.store->load("certificates/a.test")));
    CHECK(site.heard(event_type::forgotten) == 1);
    CHECK_FALSE(site.ask("a.test"));
    CHECK(site.refusal == errc::name_not_allowed);
    // The other one was renewed all the while.
    CHECK(site.manager->find("b.test")->not_after() > site.clock->wall());
    site.restart();
    site.pass(1min);
    CHECK_FALSE(site.manager->find("a.test"));
}
