#include <algorithm>
#include <map>

#include "catch.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

/// Certificates that all become due at one moment, under limits that were set after they were obtained.
struct many_due {
    explicit many_due(int count)
        : site{
              [](auto& options) {
                  options.orders = options.new_hosts = {0s, 1};
                  options.order_ceiling = {};
                  options.limits = ca_limits{};
              },
              [this](auto& ca) {
                  ca.issued = [this](const testing::issued_certificate& made) {
                      issued.push_back(made.names.front().value());
                  };
              }} {
        site.start();
        for (int i = 0; i < count; ++i)
            site.cert(name(i));
        REQUIRE(issued.size() == static_cast<std::size_t>(count));
        issued.clear();
    }

    static std::string name(int i) { return "n" + std::to_string(i) + ".test"; }
    static int demand(const std::string& name) { return std::stoi(name.substr(1)) * 7 % 10; }

    /// Until just before, in half a day.
    void become_due(rate orders, ca_limits limits = {}) {
        site.restart([=](auto& options) {
            options.orders = orders;
            options.order_ceiling = {};
            options.limits = limits;
        });
        REQUIRE(site.until([&] { return site.manager->status().certificates.size() == count(); }, 1min));
        for (const auto& each : site.manager->status().certificates)
            for (int asked = demand(each.names.front().value()); asked > 0; --asked)
                REQUIRE(site.ask(each.names.front().value()));
        const auto due = std::chrono::floor<std::chrono::seconds>(site.clock->wall()) + 12h;
        site.ca->renewal_windows(due, due + 1s);
        site.forget_events();
        site.pass(due - site.clock->wall() - 1s);
        REQUIRE(issued.empty());
        REQUIRE_FALSE(site.manager->status().replacement);
    }
    std::size_t count() const { return static_cast<std::size_t>(site.ca->certificates_issued()); }

    std::vector<std::string> issued;
    test::simulated_site site;
};

}  // namespace

TEST_CASE("a mass replacement goes by what clients ask for most, one by one under the limit, and status shows it") {
    many_due of{60};
    auto& site = of.site;
    of.become_due({10min, 1});
    site.pass(1min);

    const auto plan = site.manager->status().replacement;
    REQUIRE(plan);
    // One went, and one waits in the limiter.
    CHECK(plan->certificates == 58);
    CHECK(plan->limit == "orders");
    CHECK(plan->interval == 10min);
    CHECK(plan->late == 58);
    CHECK_FALSE(plan->deadline);
    CHECK(plan->done_at > site.clock->wall() + 570min);
    CHECK(plan->done_at < site.clock->wall() + 590min);
    REQUIRE(plan->first.size() == 10);
    CHECK(of.demand(plan->first.front().value()) == 9);
    CHECK(site.heard(event_type::replacement_planned) > 0);
    CHECK(site.logged(log_level::warning, "raise manager_options::orders") > 0);

    REQUIRE(site.until([&] { return of.issued.size() == 60; }, 590min));
    CHECK(site.clock->wall() <= plan->done_at + 11min);
    site.pass(1min);
    CHECK(std::is_sorted(of.issued.begin() + 2, of.issued.end(), [&](const auto& a, const auto& b) {
        return of.demand(a) > of.demand(b);
    }));
    CHECK_FALSE(site.manager->status().replacement);
    CHECK(site.heard(event_type::replacement_done) == 1);
    CHECK(site.heard(event_type::failed) == 0);
}

TEST_CASE("a CA's limit on the orders of an account stops the line, not one certificate after the other") {
    many_due of{20};
    auto& site = of.site;
    ca_limits limits;
    limits.orders = {5, 1h};
    of.become_due({0s, 1}, limits);
    site.pass(1min);
    CHECK(of.issued.size() == 5);
    const auto plan = site.manager->status().replacement;
    REQUIRE(plan);
    CHECK(plan->certificates == 15);
    CHECK(plan->limit == "ca_limits::orders");
    CHECK(plan->interval == 12min);
    REQUIRE(site.until([&] { return of.issued.size() == 20; }, 16 * 12min));
    CHECK(site.heard(event_type::failed) == 0);
    CHECK(site.ca->count("newOrder") == 40);
    CHECK(std::is_sorted(of.issued.begin() + 5, of.issued.end(), [&](const auto& a, const auto& b) {
        return of.demand(a) > of.demand(b);
    }));
}

TEST_CASE("what clients ask for while it waits moves up") {
    many_due of{40};
    auto& site = of.site;
    of.become_due({20min, 1});
    site.pass(1min);
    // Of those that nobody asks for, one that was not by chance the first to become due.
    const auto went = [&](const std::string& name) {
        return std::find(of.issued.begin(), of.issued.end(), name) != of.issued.end();
    };
    const auto last = went("n10.test") ? std::string{"n20.test"} : std::string{"n10.test"};
    REQUIRE(of.demand(last) == 0);
    REQUIRE_FALSE(went(last));
    for (int i = 0; i < 50; ++i)
        site.ask(last);
    CHECK(site.until([&] { return went(last); }, 2h));
}
