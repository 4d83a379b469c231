#include <algorithm>

#include "catch.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr auto day = std::chrono::days{1};

identifier numbered(int i, const std::string& under = "test") {
    return identifier{"a" + std::to_string(i) + "." + under};
}

test::simulated_site::change no_own_limits(ca_limits limits = {}) {
    return [=](auto& options) {
        options.orders = {0s, 1};
        options.new_hosts = {0s, 1};
        options.order_ceiling = {};
        options.limits = limits;
        options.renewal_info = false;
    };
}

/// How many of so many names get a certificate by asking once.
int obtained(test::simulated_site& site, int names, int from = 0) {
    int n = 0;
    for (int i = from; i < from + names; ++i)
        n += site.ask(numbered(i).value()) != nullptr;
    return n;
}

}  // namespace

TEST_CASE("new hosts come from a bucket of 20 that gets one in three hours, kept over a restart") {
    test::simulated_site site{[](auto& options) { options.order_ceiling = {}; }};
    site.start();
    CHECK(obtained(site, 30) == 20);
    site.pass(3h);
    CHECK(obtained(site, 3, 100) == 1);
    site.restart();
    CHECK(obtained(site, 3, 200) == 0);
    site.pass(3h);
    CHECK(obtained(site, 3, 300) == 1);
    CHECK(site.ca->count("newOrder") == 22);
}

TEST_CASE("orders come from a bucket of 20 that gets one a minute, for listed names too") {
    test::simulated_site site{[](auto& options) { options.order_ceiling = {}; }};
    site.start();
    std::vector<identifier> listed;
    for (int i = 0; i < 60; ++i)
        listed.push_back(numbered(i));
    site.manager->set_hosts(listed);
    const auto begin = site.time.elapsed();
    std::vector<std::unique_ptr<test::started<certificate_ptr>>> waiting;
    for (const auto& name : listed)
        waiting.push_back(
            std::make_unique<test::started<certificate_ptr>>(site.io.get_executor(), site.manager->cert(name)));
    site.pass(30s);
    CHECK(site.ca->count("newOrder") == 20);
    site.pass(10min);
    CHECK(site.ca->count("newOrder") == 30);
    CHECK(site.until([&] { return waiting.back()->ended(); }, 1h));
    // First come, first served; the last of 60 waits for 40 tokens.
    CHECK(site.time.elapsed() - begin >= 40min);
    CHECK(site.time.elapsed() - begin <= 41min);
}

TEST_CASE("a failed attempt pays") {
    test::simulated_site site{[](auto& options) { options.order_ceiling = {}; }};
    site.start();
    site.ca->fail_all("newOrder", 400, "rejectedIdentifier", "no");
    CHECK(obtained(site, 40) == 0);
    CHECK(site.ca->count("newOrder") == 20);
}

TEST_CASE("no ten seconds see more than ten orders, whatever the buckets have") {
    test::simulated_site site{[](auto& options) {
        options.orders = {0s, 1};
        options.new_hosts = {0s, 1};
    }};
    site.start();
    std::vector<std::unique_ptr<test::started<certificate_ptr>>> waiting;
    for (int i = 0; i < 45; ++i)
        waiting.push_back(
            std::make_unique<test::started<certificate_ptr>>(site.io.get_executor(), site.manager->cert(numbered(i))));
    std::vector<int> each_second;
    for (int second = 0; second < 60; ++second) {
        each_second.push_back(site.ca->count("newOrder"));
        site.pass(1s);
    }
    // The moment at the end of ten seconds is not within them.
    for (std::size_t i = 9; i < each_second.size(); ++i)
        CHECK(each_second[i] - each_second[i - 9] <= 10);
    CHECK(each_second.back() == 45);
    for (auto& one : waiting)
        CHECK(one->take());
}

TEST_CASE("the orders of the last ten seconds are counted after a restart, too") {
    test::simulated_site site{[](auto& options) {
        options.orders = {0s, 1};
        options.new_hosts = {0s, 1};
    }};
    site.start();
    const auto began = site.time.elapsed();
    for (int i = 0; i < 10; ++i)
        site.cert(numbered(i));
    site.restart();
    REQUIRE(site.time.elapsed() - began < 5s);
    std::vector<std::unique_ptr<test::started<certificate_ptr>>> waiting;
    for (int i = 10; i < 15; ++i)
        waiting.push_back(
            std::make_unique<test::started<certificate_ptr>>(site.io.get_executor(), site.manager->cert(numbered(i))));
    site.pass(began + 9s - site.time.elapsed());
    CHECK(site.ca->count("newOrder") == 10);
    site.pass(6s);
    CHECK(site.ca->count("newOrder") == 15);
    for (auto& one : waiting)
        CHECK(one->take());
}

TEST_CASE("a handshake that would wait for a limiter too long is refused at once, and pays nothing") {
    test::simulated_site site{[](auto& options) {
        options.orders = {1h, 1};
        options.new_hosts = {3h, 2};
    }};
    site.start();
    CHECK(site.ask("a.test"));
    const auto begin = site.time.elapsed();
    for (int i = 0; i < 50; ++i)
        CHECK_FALSE(site.ask(numbered(i).value()));
    CHECK(site.refusal == errc::rate_limited);
    CHECK(site.time.elapsed() - begin < 1s);
    // The second token of the new hosts is there when the order's is.
    site.pass(1h + 1s);
    CHECK(site.ask("b.test"));
    CHECK(site.ca->count("newOrder") == 2);
}

TEST_CASE("renewals go before new names when tokens are short") {
    test::simulated_site site{
        [](auto& options) {
            options.orders = {1h, 3};
            options.order_ceiling = {};
            options.renewal_info = false;
        },
        [](auto& ca) { ca.lifetime = 20 * day; }};
    site.start();
    std::vector<identifier> listed{"old.test"};
    for (int i = 0; i < 100; ++i)
        listed.push_back(numbered(i));
    site.manager->set_hosts(listed);
    const auto old = site.cert("old.test");
    site.pass(12 * day);
    // More than four days' worth of new names, while the renewal is due within less than two.
    std::vector<std::unique_ptr<test::started<certificate_ptr>>> waiting;
    for (int i = 0; i < 100; ++i)
        waiting.push_back(
            std::make_unique<test::started<certificate_ptr>>(site.io.get_executor(), site.manager->cert(numbered(i))));
    const auto due = site.status("old.test").next_at;
    REQUIRE(due);
    REQUIRE(site.until([&] { return site.manager->find("old.test") != old; }, 4 * day));
    CHECK(site.clock->wall() - *due <= 1h + 2min);
    CHECK_FALSE(waiting.back()->ended());
    for (auto& one : waiting)
        one->cancel();
    site.pass(1s);
}

TEST_CASE("can_issue() says yes, or when and because of which of the CA's limits") {
    test::simulated_site site{no_own_limits(lets_encrypt_limits())};
    site.start();
    CHECK(site.manager->can_issue({"a.example.com"}).now);
    CHECK(site.manager->can_issue({"a.example.com"}).because.empty());

    SECTION("certificates of a registered domain, less a fifth for renewals: 40 of 50 in 7 days") {
        for (int i = 0; i < 40; ++i)
            REQUIRE(site.ask(numbered(i, "example.com").value()));
        const auto answer = site.manager->can_issue({"more.example.com"});
        CHECK_FALSE(answer.now);
        CHECK(answer.because.find("example.com") != std::string::npos);
        CHECK(answer.not_before > site.clock->wall());
        CHECK(answer.not_before <= site.clock->wall() + duration{7 * day} / 50);
        // Another domain has its own; a renewal of one that is there has its share.
        CHECK(site.manager->can_issue({"a.example.net"}).now);
        CHECK(site.manager->can_issue({numbered(3, "example.com")}).now);
        CHECK_FALSE(site.ask("more.example.com"));
        CHECK(site.refusal == errc::rate_limited);
        CHECK(site.ca->count("newOrder") == 40);
        site.restart();
        site.pass(1s);
        const auto again = site.manager->can_issue({"more.example.com"});
        CHECK_FALSE(again.now);
        CHECK(again.because == answer.because);
        CHECK(again.not_before == answer.not_before);
        site.until([] { return false; }, answer.not_before - site.clock->wall() + 1s);
        CHECK(site.manager->can_issue({"more.example.com"}).now);
        CHECK(site.ask("more.example.com"));
    }
    SECTION("failed validations of a name: 5 an hour") {
        site.ca->validation_ports(1, 1);
        // Two challenges an attempt.
        CHECK_FALSE(site.ask("bad.example.com"));
        for (int i = 0; i < 2; ++i)
            CHECK_THROWS_AS(site.cert("bad.example.com"), error);
        const auto answer = site.manager->can_issue({"bad.example.com"});
        CHECK_FALSE(answer.now);
        CHECK(answer.because.find("bad.example.com") != std::string::npos);
        CHECK(answer.not_before <= site.clock->wall() + 12min);
        CHECK(site.manager->can_issue({"good.example.com"}).now);
        const int orders = site.ca->count("newOrder");
        CHECK(orders == 5);
        CHECK_THROWS_AS(site.cert("bad.example.com"), error);
        CHECK(site.ca->count("newOrder") == orders);
    }
    SECTION("orders: 300 in 3 hours, less a fifth for renewals") {
        site.ca->fail_all("newOrder", 400, "rejectedIdentifier", "no");
        for (int i = 0; i < 260; ++i)
            site.ask("x.a" + std::to_string(i) + ".test");
        CHECK(site.ca->count("newOrder") == 240);
        const auto answer = site.manager->can_issue({"y.example.com"});
        CHECK_FALSE(answer.now);
        CHECK(answer.not_before <= site.clock->wall() + duration{3h} / 300);
        CHECK_FALSE(answer.because.empty());
        site.pass(1min);
        CHECK(site.manager->can_issue({"y.example.com"}).now);
    }
}

TEST_CASE("a name set is issued for five times a week, and not a sixth time") {
    auto limits = lets_encrypt_limits();
    limits.replacements_exempt = false;
    test::simulated_site site{no_own_limits(limits), [](auto& ca) { ca.lifetime = 1 * day; }};
    site.start();
    const auto first = site.cert("a.test");
    site.pass(6 * day);
    // Renewed by timers every half day: five certificates, then one in 33.6 hours.
    CHECK(site.ca->count("newOrder") >= 7);
    CHECK(site.ca->count("newOrder") <= 5 + 5);
    REQUIRE(site.until([&] { return !site.manager->can_issue({"a.test"}).now; }, 2 * day));
    const auto answer = site.manager->can_issue({"a.test"});
    CHECK(answer.because.find("a.test") != std::string::npos);
    CHECK(answer.because.find("certificates_per_name_set") != std::string::npos);
}

TEST_CASE("replacements are exempt, so renewals never wait for new names that used up a domain's limit") {
    auto limits = lets_encrypt_limits();
    limits.certificates_per_name_set = {};
    test::simulated_site site{
        [=](auto& options) {
            no_own_limits(limits)(options);
            options.renewal_info = true;
        },
        [](auto& ca) { ca.lifetime = 2 * day; }};
    site.start();
    for (int i = 0; i < 60; ++i)
        site.ask(numbered(i, "example.com").value());
    CHECK(site.ca->certificates_issued() == 40);
    site.pass(5 * day);
    for (int i = 0; i < 40; ++i)
        CHECK(site.manager->find(numbered(i, "example.com"))->not_after() > site.clock->wall());
    CHECK(site.heard(event_type::expired) == 0);
    CHECK(site.heard(event_type::failed) == 0);
}

TEST_CASE("a renewal has the share of the CA's limit that new names may not use up") {
    ca_limits limits;
    limits.orders = {10, 30 * day};
    limits.renewal_reserve_percent = 20;
    test::simulated_site site{no_own_limits(limits), [](auto& ca) { ca.lifetime = 2 * day; }};
    site.start();
    const auto first = site.cert("a.test");
    site.ca->validation_ports(81, 444);
    int asked = 0;
    while (site.manager->can_issue({"new.test"}).now && asked < 20)
        CHECK_FALSE(site.ask(numbered(asked++, "test").value()));
    CHECK(site.ca->count("newOrder") == 8);
    CHECK_FALSE(site.ask("new.test"));
    CHECK(site.refusal == errc::rate_limited);
    site.ca->validation_ports(80, 443);
    REQUIRE(site.until([&] { return site.manager->find("a.test")->serial() != first->serial(); }, 40h));
    CHECK_FALSE(site.manager->can_issue({"new.test"}).now);
    CHECK(site.ca->count("newOrder") == 9);
}

namespace {

/// Three orders in a month.
ca_limits three_orders() {
    ca_limits limits;
    limits.orders = {3, 30 * day};
    limits.renewal_reserve_percent = 0;
    return limits;
}

/// Two names obtained, one told to come back in ten days, and so no orders left.
void use_up(test::simulated_site& site) {
    CHECK(obtained(site, 2) == 2);
    site.ca->fail_all("newOrder", 429, "rateLimited", "too many", "864000");
    CHECK_FALSE(site.ask("c.test"));
    site.ca->recover();
    CHECK_FALSE(site.manager->can_issue({"d.test"}).now);
    CHECK_FALSE(site.ask("c.test"));
    CHECK_FALSE(site.ask("d.test"));
}

}  // namespace

TEST_CASE("what staging refused and counted is nothing to production, and is still there when one comes back to it") {
    test::simulated_site site{no_own_limits(three_orders())};
    const auto production = site.make_ca();
    site.start();
    use_up(site);
    const auto to_production = [&](auto& options) {
        no_own_limits(three_orders())(options);
        options.directory_url = production->directory_url();
        options.http.ca_file = production->api_root_file();
    };
    site.restart(to_production);
    site.pass(1s);
    CHECK_FALSE(site.manager->status("c.test"));
    CHECK(site.manager->can_issue({"d.test"}).now);
    CHECK(site.ask("c.test"));
    CHECK(site.ask("d.test"));
    CHECK(production->count("newOrder") == 2);
    CHECK(site.ca->count("newOrder") == 3);

    site.restart(no_own_limits(three_orders()));
    site.pass(1s);
    CHECK_FALSE(site.manager->can_issue({"e.test"}).now);
    CHECK_FALSE(site.ask("e.test"));
    CHECK(site.manager->status("c.test"));
    CHECK(site.ca->count("newOrder") == 3);
}

TEST_CASE("what one account was refused and ordered is nothing to another one") {
    test::simulated_site site{no_own_limits(three_orders())};
    site.start();
    use_up(site);
    site.stop();
    const auto accounts = site.run(site.store->list("accounts/"));
    REQUIRE(accounts.size() == 1);
    const auto first = site.run(site.store->load(accounts.front())).value();
    site.run(site.store->remove(accounts.front()));
    site.make_manager();
    site.start();
    site.run(site.manager->register_account("ops@a.test"));
    CHECK(site.ca->count("newAccount") == 2);
    CHECK_FALSE(site.manager->status("c.test"));
    CHECK(site.manager->can_issue({"d.test"}).now);
    CHECK(site.ask("c.test"));
    CHECK(site.ask("d.test"));
    CHECK(site.ca->count("newOrder") == 5);
    // The first one's orders are still counted for it; what it was refused was forgotten.
    site.stop();
    site.run(site.store->save(accounts.front(), first));
    site.make_manager();
    site.start();
    site.pass(1s);
    CHECK_FALSE(site.manager->can_issue({"e.test"}).now);
    CHECK_FALSE(site.ask("e.test"));
    CHECK(site.ca->count("newOrder") == 5);
}
