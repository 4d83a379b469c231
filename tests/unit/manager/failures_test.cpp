#include "catch.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr auto day = std::chrono::days{1};

struct bounds {
    int least = 0;
    int most = 0;
};

/// The attempts of `total`, by the rules of failure_class.hpp: the first wait is `first`, each further one doubles up to
/// `most`, is lengthened by up to a tenth, and is cut to an eighth of what is left of the certificate, but not below `first`.
/// What has expired is cut by nothing.
bounds attempts_in(duration total, retry_delay delay, duration left) {
    const auto count = [&](int percent) {
        int attempts = 1;
        duration wait = delay.first, passed{};
        for (;;) {
            duration longest = wait * percent / 100;
            if (left > passed)
                longest = std::min(longest, std::max<duration>((left - passed) / 8, delay.first));
            passed += longest;
            if (passed >= total)
                return attempts;
            ++attempts;
            wait = std::min<duration>(2 * wait, delay.most);
        }
    };
    return {count(110), count(100)};
}

/// 45 days of which 15 are left when the renewal is due, and a client every ten minutes until 15 days after the end.
class failing_month {
public:
    explicit failing_month(test::simulated_site::change adjust = {}, test::simulated_site::ca_change adjust_ca = {})
        : site{
              [=](auto& options) {
                  options.renewal_info = false;
                  if (adjust)
                      adjust(options);
              },
              [=](auto& ca) {
                  ca.lifetime = 45 * day;
                  if (adjust_ca)
                      adjust_ca(ca);
              }} {
        site.start();
        first = site.cert("a.test");
        site.pass(29 * day);
        issued = site.ca->count("newOrder");
    }

    void pass() {
        REQUIRE(site.until([&] { return site.heard(event_type::failed) > 0; }, 2 * day));
        left = first->not_after() - site.clock->wall();
        for (duration asked{}; asked < length; asked += 10min) {
            const auto served = site.ask("a.test");
            if (served != first)
                FAIL("the certificate at hand was not served");
            site.pass(10min);
        }
    }
    bounds expected(retry_delay delay) const { return attempts_in(length, delay, left); }
    int attempts() { return site.heard(event_type::failed); }
    /// The CA is well again: it takes one wait until the renewal.
    void expect_recovery(duration wait) {
        CHECK(site.until([&] { return site.manager->find("a.test") != first; }, wait + wait / 10 + 1min));
        CHECK(site.manager->find("a.test")->not_after() > site.clock->wall());
        CHECK(site.ask("a.test") == site.manager->find("a.test"));
    }
    /// What is told and logged of a certificate that expires.
    void expect_notices() {
        CHECK(site.heard(event_type::expiring) == 1);
        CHECK(site.heard(event_type::expired) == 1);
        CHECK(site.logged(log_level::error, "expired") >= 1);
        CHECK(site.heard(event_type::retry_planned) == attempts());
        CHECK(site.status("a.test").state == certificate_state::expired);
    }

    test::simulated_site site;
    certificate_ptr first;
    int issued = 0;
    duration left{};
    static constexpr duration length = 30 * day;
};

void expect(int attempts, bounds wanted) {
    CHECK(attempts >= wanted.least);
    CHECK(attempts <= wanted.most);
}

}  // namespace

TEST_CASE("a month of a CA that answers 500 costs as many orders as the delays allow, and it is renewed afterwards") {
    failing_month month;
    month.site.ca->fail_all("newOrder", 500, "serverInternal", "down");
    month.pass();
    // 1 min, 2 … 256 min, then 6 h: about 125. Near the end an eighth of what is left is shorter: a few more.
    const auto wanted = month.expected(retry_options{}.server);
    CHECK(wanted.most < 180);
    expect(month.attempts(), wanted);
    CHECK(month.site.ca->count("newOrder") - month.issued == month.attempts());
    month.expect_notices();
    month.site.ca->recover();
    month.expect_recovery(retry_options{}.server.most);
}

TEST_CASE("a month without a connection to the CA costs as many connections as the delays allow") {
    failing_month month;
    const auto api = static_cast<std::uint16_t>(
        std::stoi(month.site.ca->directory_url().substr(month.site.ca->directory_url().rfind(':') + 1)));
    month.site.net->unreachable.insert(api);
    month.pass();
    expect(month.attempts(), month.expected(retry_options{}.server));
    CHECK(month.site.net->refused <= 2 * month.attempts());
    month.expect_notices();
    month.site.net->unreachable.clear();
    month.expect_recovery(retry_options{}.server.most);
}

TEST_CASE("a month of a CA that refuses the name costs a dozen orders") {
    failing_month month;
    month.site.ca->fail_all("newOrder", 400, "rejectedIdentifier", "not this one");
    month.pass();
    // 6 h, 12 h, 24 h, then an eighth of what is left, 6 h at least, until the end; a week afterwards.
    const auto wanted = month.expected(retry_options{}.name_refused);
    CHECK(wanted.most < 40);
    expect(month.attempts(), wanted);
    CHECK(month.site.ca->count("newOrder") - month.issued == month.attempts());
    month.expect_notices();
    month.site.ca->recover();
    month.expect_recovery(retry_options{}.name_refused.most);
}

TEST_CASE("a month of a rate limit that says nothing costs an order a day") {
    failing_month month;
    month.site.ca->fail_all("newOrder", 429, "rateLimited", "too many");
    month.pass();
    const auto wanted = month.expected(retry_options{}.rate_limited);
    CHECK(wanted.most < 80);
    expect(month.attempts(), wanted);
    CHECK(month.site.ca->count("newOrder") - month.issued == month.attempts());
    month.site.ca->recover();
    month.expect_recovery(retry_options{}.rate_limited.most);
}

TEST_CASE("a month of a rate limit costs as many orders as its Retry-After allows, whatever is at stake") {
    failing_month month;
    month.site.ca->fail_all("newOrder", 429, "rateLimited", "too many", "259200");
    month.pass();
    // Every three days, lengthened by up to a tenth.
    expect(month.attempts(), {10, 11});
    CHECK(month.site.ca->count("newOrder") - month.issued == month.attempts());
    month.site.ca->recover();
    month.expect_recovery(3 * day);
}

TEST_CASE("an application that asks is refused for as long as the CA said, and no longer") {
    test::simulated_site site;
    site.start();
    site.ca->fail_next("newOrder", 503, "serverInternal", "busy", "20");
    CHECK_THROWS_AS(site.cert("a.test"), error);
    site.pass(10s);
    CHECK_THROWS_AS(site.cert("a.test"), error);
    CHECK(site.ca->count("newOrder") == 1);
    site.pass(20s);
    CHECK(site.cert("a.test"));
    CHECK(site.ca->count("newOrder") == 2);
}

TEST_CASE("a month of validations that fail costs two orders an attempt, one for each challenge") {
    failing_month month;
    month.site.ca->validation_ports(1, 1);
    month.pass();
    const auto wanted = month.expected(retry_options{}.connection);
    CHECK(wanted.most < 90);
    expect(month.attempts(), wanted);
    CHECK(month.site.ca->count("newOrder") - month.issued == 2 * month.attempts());
    month.site.ca->validation_ports(80, 443);
    month.expect_recovery(retry_options{}.connection.most);
}

TEST_CASE("a month of clients that ask for a name without a certificate costs what the delays allow") {
    const auto [status, type, delay, most] = GENERATE(table<int, std::string, retry_delay, int>({
        {500, "serverInternal", retry_options{}.server, 130},
        {400, "rejectedIdentifier", retry_options{}.name_refused, 9},
        {403, "caa", retry_options{}.caa, 37},
        {429, "rateLimited", retry_options{}.rate_limited, 36},
        {400, "badCSR", retry_options{}.our_mistake, 36},
    }));
    CAPTURE(type);
    test::simulated_site site;
    site.start();
    site.ca->fail_all("newOrder", status, type, "no");
    // A client comes every ten minutes: an attempt is made by the first after the wait.
    for (duration asked{}; asked < 30 * day; asked += 10min) {
        if (site.ask("a.test"))
            FAIL("there is no certificate");
        site.pass(10min);
    }
    const int attempts = site.ca->count("newOrder");
    CHECK(attempts <= attempts_in(30 * day, delay, {}).most);
    CHECK(attempts <= most);
    CHECK(attempts >= attempts_in(30 * day, {delay.first + 10min, delay.most + 10min}, {}).least - 1);
    CHECK(site.status("a.test").state == certificate_state::failed);
    CHECK(site.status("a.test").problem->failures == attempts);
    site.ca->recover();
    site.manager->forget_failures("a.test");
    CHECK(site.ask("a.test"));
}

TEST_CASE("failures survive a restart, whatever keeps them") {
    const std::string kept_by = GENERATE("store", "cache_file", "marshal", "file_store");
    CAPTURE(kept_by);
    test::simulated_site site;
    std::string text;
    if (kept_by == "cache_file")
        site.before_start = [&](manager& one) { one.cache_file(site.folder.file("cache")); };
    if (kept_by == "file_store")
        site.store = file_store(site.folder.file("store"), [&] {
            file_store_options options;
            options.clock = site.clock;
            options.blocking_executor = site.io.get_executor();
            return options;
        }());
    if (kept_by == "marshal") {
        site.before_start = [&](manager& one) {
            if (!text.empty())
                one.unmarshal(text);
        };
    }
    site.restart();
    site.ca->fail_all("newOrder", 400, "rejectedIdentifier", "not this one");
    CHECK_FALSE(site.ask("a.test"));
    CHECK_FALSE(site.ask("a.test"));
    CHECK(site.ca->count("newOrder") == 1);
    const auto planned = site.status("a.test").next_at;
    if (kept_by == "marshal") {
        text = site.manager->marshal();
        site.store = memory_store(site.clock);
    }
    site.ca->recover();
    site.restart();
    CHECK_FALSE(site.ask("a.test"));
    CHECK(site.refusal_text.find("not this one") != std::string::npos);
    CHECK(site.ca->count("newOrder") == 1);
    CHECK(site.status("a.test").next_at.value() - planned.value() < 1s);
    CHECK(planned.value() - site.status("a.test").next_at.value() < 1s);
    // An application that asks may know more.
    CHECK(site.cert("a.test"));
    CHECK(site.ca->count("newOrder") == 2);
}

TEST_CASE("what failed is remembered for so many names and no more") {
    test::simulated_site site{[](auto& options) {
        options.failures_remembered_max = 8;
        options.new_hosts = {0s, 1};
        options.orders = {0s, 1};
    }};
    site.start();
    site.ca->fail_all("newOrder", 400, "rejectedIdentifier", "not this one");
    for (int i = 0; i < 40; ++i) {
        CHECK_FALSE(site.ask("a" + std::to_string(i) + ".test"));
        site.pass(1h);  // longer than what is drawn for each, so the first ends first
    }
    CHECK(site.manager->status().certificates.size() == 8);
    const auto text = site.manager->marshal();
    CHECK(text.find("a39.test") != std::string::npos);
    CHECK(text.find("a0.test") == std::string::npos);
}

TEST_CASE(
    "a month of clients for a name whose ports are closed costs what the delays allow, whatever the ledger has left") {
    test::simulated_site site{
        [](auto& options) { options.limits = lets_encrypt_limits(); },
        [](auto& options) { options.limits = lets_encrypt_limits(); }};
    site.start();
    site.manager->set_hosts({"a.test"});
    site.ca->faults().fail_validations(1, "connection");
    site.ask_for("a.test", 30 * day, 2min);
    // 5, 10, 20 … minutes, then a day.
    CHECK(site.ca->count("newOrder") > 30);
    CHECK(site.ca->count("newOrder") < 30 + 50);
    CHECK(site.heard(event_type::failed) > 30);
    CHECK(site.ca->limit_violations() == 0);
    site.ca->recover();
    CHECK(site.until([&] { return site.ask("a.test") != nullptr; }, 27h));
}

TEST_CASE("what the store has never replaces a later certificate, and a later one of the store's is taken") {
    test::simulated_site site{{}, [](auto& ca) { ca.lifetime = 10 * day; }};
    site.start();
    const auto first = site.cert("a.test");
    const auto old = site.run(site.store->load("certificates/a.test"));
    REQUIRE(old);
    REQUIRE(site.until([&] { return site.manager->find("a.test") != first; }, 10 * day));
    const auto second = site.manager->find("a.test");
    const auto later = site.run(site.store->load("certificates/a.test"));
    // Another machine, or somebody who restored a backup, puts the first one back, and time goes on until it has expired.
    site.run(site.store->save("certificates/a.test", *old));
    site.pass(3 * day);
    CHECK(site.ask("a.test") != first);
    CHECK(site.manager->find("a.test")->not_after() >= second->not_after());
    // And the other way round: a manager that knows the first one alone finds the second when it tries again.
    site.stop();
    site.store = memory_store(site.clock);
    site.run(site.store->save("certificates/a.test", *old));
    site.ca->fail_all("newOrder", 500, "serverInternal", "down");
    site.make_manager();
    site.start();
    CHECK(site.ask("a.test")->serial() == first->serial());
    site.run(site.store->save("certificates/a.test", *later));
    const int issued = site.ca->certificates_issued();
    site.pass(10min);
    CHECK(site.ask("a.test")->serial() == second->serial());
    CHECK(site.heard(event_type::loaded) == 1);
    CHECK(site.ca->certificates_issued() == issued);
}

TEST_CASE(
    "a set that failed is in the status under all of its names, over a restart, and any of them has it forgotten") {
    test::simulated_site site;
    site.start();
    site.ca->fail_all("newOrder", 429, "rateLimited", "too many", "86400");
    const std::vector<identifier> set{"a.test", "b.test"}, other{"c.test", "d.test"};
    CHECK_THROWS_AS(site.run(site.manager->manage(set)), error);
    CHECK_THROWS_AS(site.run(site.manager->manage(other)), error);
    site.ca->recover();
    const bool restart = GENERATE(false, true);
    CAPTURE(restart);
    if (restart) {
        site.restart();
        site.pass(1s);
    }
    CHECK_THROWS_AS(site.run(site.manager->manage(set)), error);
    CHECK(site.ca->count("newOrder") == 2);
    const auto all = site.manager->status();
    REQUIRE(all.certificates.size() == 2);
    CHECK(all.certificates[0].names == set);
    CHECK(all.certificates[1].names == other);
    for (const auto& name : set) {
        const auto status = site.status(name);
        CHECK(status.names == set);
        CHECK(status.state == certificate_state::failed);
        CHECK(status.problem.value().text.find("too many") != std::string::npos);
        CHECK(status.next_at.value() > site.clock->wall() + 23h);
        CHECK(status.reason.find("manage()") != std::string::npos);
    }
    site.manager->forget_failures("b.test");
    site.pass(1s);
    CHECK_FALSE(site.manager->status("a.test"));
    CHECK(site.manager->status("d.test"));
    CHECK(site.run(site.manager->manage(set)));
    CHECK(site.status("b.test").state == certificate_state::valid);
    CHECK_THROWS_AS(site.run(site.manager->manage(other)), error);
    CHECK(site.ca->count("newOrder") == 3);
}

TEST_CASE(
    "a listed name whose set failed is in the status once, and one that has a certificate of its own shows that") {
    test::simulated_site site;
    site.start();
    site.manager->set_hosts({"a.test", "b.test"});
    CHECK(site.cert("a.test"));
    site.ca->fail_all("newOrder", 500, "serverInternal", "down");
    const std::vector<identifier> set{"a.test", "b.test"};
    CHECK_THROWS_AS(site.run(site.manager->manage(set)), error);
    CHECK(site.status("a.test").state == certificate_state::valid);
    CHECK(site.status("b.test").names == set);
    const auto all = site.manager->status().certificates;
    REQUIRE(all.size() == 2);
    CHECK(all[0].names == std::vector<identifier>{"a.test"});
    CHECK(all[1].names == set);
    site.ca->recover();
    CHECK(site.run(site.manager->manage(set)));
    for (const auto& one : site.manager->status().certificates)
        CHECK(one.state == certificate_state::valid);
}
