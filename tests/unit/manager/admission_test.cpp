#include <map>

#include <asio/this_coro.hpp>

#include "catch.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr auto day = std::chrono::days{1};

/// An application's table of customers, and how often it was asked.
struct table {
    std::map<std::string, int> asked;
    bool broken = false;
    duration takes{};
    std::shared_ptr<evercert::clock> clock;

    bool has(const identifier& name) const { return name.value().starts_with("yes"); }
    int all() const {
        int n = 0;
        for (const auto& [name, times] : asked)
            n += times;
        return n;
    }
    asio::awaitable<bool> decide(identifier name) {
        ++asked[name.value()];
        if (takes > duration{})
            co_await clock->sleep_for(takes);
        if (broken)
            throw std::runtime_error{"the database is down"};
        co_return has(name);
    }
};

class admitting_site {
public:
    explicit admitting_site(test::simulated_site::change adjust = {})
        : site{[this, adjust](auto& options) {
              customers.clock = options.clock;
              options.admission = [this](identifier name) { return customers.decide(std::move(name)); };
              options.renewal_info = false;
              options.new_hosts = {0s, 1};
              options.orders = {0s, 1};
              if (adjust)
                  adjust(options);
          }} {}

    table customers;
    test::simulated_site site;
};

}  // namespace

TEST_CASE("the application is asked once for a name, over many handshakes and a restart") {
    admitting_site it;
    it.site.start();
    it.customers.takes = 1s;
    // Many at once are one question.
    std::vector<std::unique_ptr<test::started<certificate_ptr>>> clients;
    for (int i = 0; i < 20; ++i)
        clients.push_back(std::make_unique<test::started<certificate_ptr>>(
            it.site.io.get_executor(), it.site.manager->get_certificate(client_hello{"yes.test", {}})));
    it.site.pass(1min);
    for (auto& one : clients)
        CHECK(one->take());
    for (int i = 0; i < 20; ++i)
        CHECK(it.site.ask("yes.test"));
    CHECK(it.customers.asked["yes.test"] == 1);
    it.site.restart();
    CHECK(it.site.ask("yes.test"));
    // Its renewals are not asked for either.
    it.site.pass(75 * day);
    CHECK(it.site.ca->count("newOrder") == 2);
    CHECK(it.site.ask("yes.test"));
    CHECK(it.customers.asked["yes.test"] == 1);
}

TEST_CASE("a refusal is remembered for refusal_memory, over a restart, and told each time") {
    admitting_site it;
    it.site.start();
    for (int i = 0; i < 5; ++i) {
        CHECK_FALSE(it.site.ask("no.test"));
        CHECK(it.site.refusal == errc::name_not_allowed);
    }
    CHECK(it.customers.asked["no.test"] == 1);
    CHECK(it.site.heard(event_type::refused) == 5);
    it.site.restart();
    it.site.pass(30min);
    CHECK_FALSE(it.site.ask("no.test"));
    CHECK(it.site.refusal == errc::name_not_allowed);
    CHECK(it.customers.asked["no.test"] == 1);
    it.site.pass(31min);
    CHECK_FALSE(it.site.ask("no.test"));
    CHECK(it.customers.asked["no.test"] == 2);
    it.site.manager->forget_failures("no.test");
    CHECK_FALSE(it.site.ask("no.test"));
    CHECK(it.customers.asked["no.test"] == 3);
    CHECK(it.site.ca->count("newOrder") == 0);
}

TEST_CASE("what the application throws refuses the client now and is not remembered") {
    admitting_site it;
    it.site.start();
    it.customers.broken = true;
    CHECK_FALSE(it.site.ask("yes.test"));
    CHECK_FALSE(it.site.ask("yes.test"));
    CHECK(it.customers.asked["yes.test"] == 2);
    it.customers.broken = false;
    CHECK(it.site.ask("yes.test"));
    CHECK(it.site.ca->count("newOrder") == 1);
}

TEST_CASE("an application that does not answer is ended after admission_timeout, and asked again") {
    admitting_site it;
    it.site.start();
    it.customers.takes = 24h;
    const auto before = it.site.time.elapsed();
    CHECK_FALSE(it.site.ask("yes.test"));
    CHECK(it.site.refusal == errc::timed_out);
    CHECK(it.site.time.elapsed() - before >= 10s);
    CHECK(it.site.time.elapsed() - before < 11s);
    it.customers.takes = {};
    CHECK(it.site.ask("yes.test"));
    CHECK(it.customers.asked["yes.test"] == 2);
}

TEST_CASE("names that are listed are not asked for") {
    admitting_site it;
    it.site.start();
    it.site.manager->set_hosts({"no.test"});
    CHECK(it.site.ask("no.test"));
    CHECK(it.customers.all() == 0);
    // The list is no limit: what it lacks is the application's to decide.
    CHECK(it.site.ask("yes.test"));
    CHECK(it.customers.all() == 1);
}

TEST_CASE("an attempt that failed does not have the application asked again") {
    admitting_site it;
    it.site.start();
    it.site.ca->fail_all("newOrder", 500, "serverInternal", "down");
    for (int i = 0; i < 200; ++i) {
        it.site.ask("yes.test");
        it.site.pass(10min);
    }
    CHECK(it.customers.asked["yes.test"] == 1);
    CHECK(it.site.ca->count("newOrder") > 5);
}

TEST_CASE("a flood of made-up names costs one question each, no order, and a bounded memory") {
    admitting_site it{[](auto& options) { options.failures_remembered_max = 100; }};
    it.site.start();
    for (int i = 0; i < 1000; ++i)
        CHECK_FALSE(it.site.ask("x" + std::to_string(i) + ".test"));
    CHECK(it.customers.all() == 1000);
    CHECK(it.site.requests() == 0);
    const auto text = it.site.manager->marshal();
    int kept = 0;
    for (auto at = text.find("admission/"); at != std::string::npos; at = text.find("admission/", at + 1))
        ++kept;
    CHECK(kept <= 100);
    CHECK(kept > 0);
}

TEST_CASE("names with certificates in a file_store are not asked for after a restart") {
    admitting_site it;
    file_store_options options;
    options.clock = it.site.clock;
    options.blocking_executor = it.site.io.get_executor();
    it.site.store = file_store(it.site.folder.file("store"), options);
    it.site.restart();
    CHECK(it.site.ask("yes.test"));
    CHECK(it.site.ask("yes2.test"));
    CHECK(it.customers.all() == 2);
    it.site.restart();
    CHECK(it.site.ask("yes.test"));
    it.site.pass(75 * day);
    CHECK(it.site.ask("yes2.test"));
    CHECK(it.customers.all() == 2);
    CHECK(it.site.ca->count("newOrder") == 4);
}

TEST_CASE("a name is asked for again once its certificate is forgotten") {
    admitting_site it;
    it.site.start();
    CHECK(it.site.ask("yes.test"));
    it.site.ca->fail_all("newOrder", 400, "rejectedIdentifier", "no");
    // 90 days and the 30 of expired_kept.
    it.site.pass(121 * day);
    CHECK_FALSE(it.site.manager->find("yes.test"));
    CHECK(it.site.heard(event_type::forgotten) == 1);
    it.site.ca->recover();
    CHECK(it.site.ask("yes.test"));
    CHECK(it.customers.asked["yes.test"] == 2);
}

TEST_CASE("a name that was admitted is not asked about again while our limits hold its order up") {
    admitting_site it{[](auto& options) { options.new_hosts = {24h, 1}; }};
    it.site.start();
    CHECK(it.site.ask("yes.test"));
    for (int i = 0; i < 20; ++i) {
        CHECK_FALSE(it.site.ask("yes2.test"));
        CHECK(it.site.refusal == errc::rate_limited);
        it.site.pass(1min);
    }
    CHECK(it.customers.asked["yes2.test"] == 1);
    it.site.manager->forget_failures("yes2.test");
    CHECK_FALSE(it.site.ask("yes2.test"));
    CHECK(it.customers.asked["yes2.test"] == 2);
    it.site.pass(61min);
    CHECK_FALSE(it.site.ask("yes2.test"));
    CHECK(it.customers.asked["yes2.test"] == 3);
}

TEST_CASE("of the names that were admitted and are held up by our limits the oldest is forgotten first") {
    admitting_site it{[](auto& options) {
        options.new_hosts = {24h, 1};
        options.failures_remembered_max = 2;
    }};
    it.site.start();
    CHECK(it.site.ask("yes.test"));
    for (const auto* name : {"yes-a.test", "yes-b.test", "yes-c.test", "yes-b.test", "yes-c.test", "yes-a.test"})
        CHECK_FALSE(it.site.ask(name));
    CHECK(it.customers.asked["yes-a.test"] == 2);
    CHECK(it.customers.asked["yes-b.test"] == 1);
    CHECK(it.customers.asked["yes-c.test"] == 1);
}
