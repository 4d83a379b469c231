#include <functional>
#include <map>
#include <set>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/outcome.hpp"
#include "base/within.hpp"
#include "catch.hpp"
#include "certificates.hpp"
#include "forwarding_store.hpp"
#include "manager/records.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr auto day = std::chrono::days{1};

/// A store that other processes use too: it counts, and a test steps in before a save.
class watched_store final : public test::forwarding_store {
public:
    explicit watched_store(std::shared_ptr<evercert::clock> time) : forwarding_store{memory_store(std::move(time))} {}

    asio::awaitable<std::optional<std::string>> load(std::string key) override {
        ++loads[key];
        while (hangs && key.starts_with(*hangs))
            co_await clock_of->sleep_for(1s);
        co_return co_await next->load(std::move(key));
    }
    asio::awaitable<void> save(std::string key, std::string value, lease under) override {
        if (before_save)
            co_await before_save(key);
        if (failing)
            throw error{errc::store_failed, "the disk is full"};
        co_await next->save(std::move(key), std::move(value), std::move(under));
    }
    asio::awaitable<void> remove(std::string key) override {
        held_at_removal[key] = held;
        return next->remove(std::move(key));
    }
    asio::awaitable<lease> lock(std::string key, std::chrono::seconds length) override {
        auto given = co_await next->lock(key, length);
        held.insert(key);
        co_return given;
    }
    asio::awaitable<void> unlock(lease given) override {
        held.erase(given.key);
        return next->unlock(std::move(given));
    }

    std::map<std::string, int> loads;
    std::map<std::string, std::set<std::string>> held_at_removal;
    std::set<std::string> held;
    bool failing = false;
    std::optional<std::string> hangs;  ///< loading what begins so
    std::shared_ptr<evercert::clock> clock_of;
    std::function<asio::awaitable<void>(std::string)> before_save;
};

class shared_site {
public:
    explicit shared_site(test::simulated_site::change adjust = {}, test::simulated_site::ca_change adjust_ca = {})
        : site{
              [adjust](auto& options) {
                  options.renewal_info = false;
                  if (adjust)
                      adjust(options);
              },
              adjust_ca} {
        site.stop();
        kept = std::make_shared<watched_store>(site.clock);
        kept->clock_of = site.clock;
        site.store = kept;
        site.make_manager();
        site.start();
    }

    std::string stored(const std::string& key) { return site.run(kept->next->load(key)).value_or(""); }
    /// As another process saves it.
    void put(const std::string& key, const std::string& value) { site.run(kept->next->save(key, value)); }

    test::simulated_site site;
    std::shared_ptr<watched_store> kept;
};

/// What another process with another CA has obtained: it ends later than anything that this one gets.
std::string later_certificate(shared_site& it) {
    const auto now = it.site.clock->wall();
    const std::vector<identifier> names{"a.test"};
    const auto issued = test::authority{now - 1h}.issue(names, {now + 1min, now + 200 * day});
    return boost::json::serialize(
        to_json(certificate_record{names, std::make_shared<const held_certificate>(issued), 0.5}));
}

std::string serial_in(const std::string& stored) {
    return read_certificate(boost::json::parse(stored).as_object()).certificate->get()->serial();
}

}  // namespace

TEST_CASE("a second attempt waits for the limiter without the lease, and looks into the store first then") {
    shared_site it{[](auto& options) { options.orders = {1h, 1}; }};
    it.site.ca->validation_ports(80, 1);  // nobody answers tls-alpn-01
    test::started<certificate_ptr> asked{it.site.io.get_executor(), it.site.manager->cert("a.test")};
    REQUIRE(it.site.until([&] { return it.site.logged(log_level::warning, "trying another one") == 1; }, 30min));
    it.site.pass(1min);
    CHECK_FALSE(asked.ended());
    CHECK(it.kept->held.empty());
    auto locking = within(*it.site.clock, 1s, "locking", it.kept->next->lock("certificates/a.test", 10s));
    const auto held = it.site.run(std::move(locking));
    it.site.run(it.kept->next->unlock(held));
    const int loads = it.kept->loads["certificates/a.test"];
    REQUIRE(it.site.until([&] { return asked.ended(); }, 2h));
    CHECK(asked.take()->covers("a.test"));
    CHECK(it.kept->loads["certificates/a.test"] > loads);
    CHECK(it.site.ca->count("newOrder") == 2);
}

TEST_CASE("a certificate that is saved again later never replaces a later one of another process") {
    shared_site it;
    it.site.cert("a.test");
    const auto later = later_certificate(it);
    // As a state that was loaded is saved: this process has the earlier one.
    const auto text = it.site.manager->marshal();
    it.kept->failing = true;
    it.site.manager->unmarshal(text);
    it.site.pass(10s);
    it.put("certificates/a.test", later);
    it.kept->failing = false;
    it.site.pass(2min);
    CHECK(it.stored("certificates/a.test") == later);
    CHECK(it.kept->held.empty());
}

TEST_CASE("who has lost the lease while saving takes the later certificate that somebody else saved") {
    shared_site it;
    const auto later = later_certificate(it);
    bool done = false;
    it.kept->before_save = [&](std::string key) -> asio::awaitable<void> {
        if (key != "certificates/a.test" || std::exchange(done, true))
            co_return;
        it.site.clock->step(31min);  // the lease is over
        const auto other = co_await it.kept->next->lock(key, 10s);
        co_await it.kept->next->save(key, later, other);
        co_await it.kept->next->unlock(other);
    };
    const auto got = it.site.cert("a.test");
    CHECK(done);
    it.site.pass(2min);
    CHECK(it.stored("certificates/a.test") == later);
    CHECK(got->serial() == serial_in(later));
    CHECK(it.site.manager->find("a.test") == got);
}

TEST_CASE("a lock that somebody else has is waited for as long as lock_wait, and the error says what to do") {
    shared_site it{[](auto& options) { options.lock_wait = 1min; }};
    const auto held = it.site.run(it.kept->next->lock("certificates/a.test", 3h));
    const auto before = it.site.time.elapsed();
    auto asked = as_outcome(it.site.manager->cert("a.test"));
    auto outcome = it.site.time.run(std::move(asked), 1h);
    REQUIRE(outcome.thrown);
    CHECK(it.site.time.elapsed() - before < 70s);
    CHECK_THROWS_WITH(
        outcome.get(),
        Catch::Matchers::ContainsSubstring("lock_wait") && Catch::Matchers::ContainsSubstring("certificates/a.test"));
    CHECK(it.site.ca->count("newOrder") == 0);
    it.site.run(it.kept->next->unlock(held));
    it.site.pass(5min);
    CHECK(it.site.cert("a.test"));
}

TEST_CASE("a name that is not admitted costs the store nothing") {
    shared_site it{
        [](auto& options) { options.admission = [](identifier) -> asio::awaitable<bool> { co_return false; }; }};
    it.site.pass(1s);
    const auto before = it.kept->loads;
    for (int i = 0; i < 50; ++i)
        CHECK_FALSE(it.site.ask("x" + std::to_string(i) + ".test"));
    CHECK(it.kept->loads == before);
}

TEST_CASE(
    "a name whose certificate is in the store is served while memory is still being filled, and nobody is asked") {
    int asked = 0;
    shared_site it{[&](auto& options) {
        options.admission = [&asked](identifier) -> asio::awaitable<bool> {
            ++asked;
            co_return true;
        };
    }};
    const auto first = it.site.cert("a.test");
    CHECK(asked == 1);
    it.site.stop();
    it.site.make_manager();  // and nothing runs, so nothing fills it
    CHECK(it.site.ask("a.test")->serial() == first->serial());
    CHECK(asked == 1);
}

TEST_CASE("the record of an order is removed while the lease of its certificate is held") {
    shared_site it;
    it.site.cert("a.test");
    REQUIRE(it.kept->held_at_removal.contains("orders/a.test"));
    CHECK(it.kept->held_at_removal["orders/a.test"].contains("certificates/a.test"));
    CHECK(it.stored("orders/a.test").empty());
}

TEST_CASE("a certificate that ended long ago is removed while its lease is held, and waits for who has it") {
    shared_site it{[](auto& options) { options.expired_kept = 1 * day; }};
    it.site.manager->set_hosts({"a.test"});
    it.site.cert("a.test");
    it.site.manager->set_hosts({"b.test"});
    it.site.pass(90 * day);
    const auto held = it.site.run(it.kept->next->lock("certificates/a.test", 72h));
    it.site.pass(2 * day);
    CHECK_FALSE(it.stored("certificates/a.test").empty());
    it.site.run(it.kept->next->unlock(held));
    it.site.pass(1 * day);
    CHECK(it.stored("certificates/a.test").empty());
    REQUIRE(it.kept->held_at_removal.contains("certificates/a.test"));
    CHECK(it.kept->held_at_removal["certificates/a.test"].contains("certificates/a.test"));
    CHECK(it.site.heard(event_type::forgotten) == 1);
}

TEST_CASE("flights that clients have left are bounded while the store hangs, and a renewal has room all the same") {
    shared_site it{[](auto& options) {
        options.waiters_max = 20;
        options.store_timeout = 1h;
        options.handshake_wait = 1s;
    }};
    const auto before = it.site.cert("due.test");
    it.site.pass(1s);
    const auto due = it.site.status("due.test").next_at;
    REQUIRE(due);
    it.site.pass(*due - it.site.clock->wall() - 10min);
    it.kept->hangs = "certificates/x";
    int refused = 0;
    for (int i = 0; i < 60; ++i) {
        it.site.ask("x" + std::to_string(i) + ".test");
        refused += it.site.refusal == errc::too_many_waiters;
    }
    CHECK(refused == 40);
    REQUIRE(it.site.manager->find("due.test") == before);
    CHECK(it.site.until([&] { return it.site.manager->find("due.test") != before; }, 20min));
    it.site.ask("x60.test");
    CHECK(it.site.refusal == errc::too_many_waiters);
    it.kept->hangs.reset();
}

TEST_CASE("a certificate of several names that is damaged is told of, dropped and ordered anew") {
    shared_site it;
    const std::vector<identifier> names{"a.test", "b.test"};
    it.site.run(it.site.manager->manage(names));
    const auto key = certificate_key(names);
    auto broken = boost::json::parse(it.stored(key)).as_object();
    it.site.cert("c.test");
    const auto other = read_certificate(boost::json::parse(it.stored("certificates/c.test")).as_object());
    broken["chain"] = other.certificate->chain_pem();
    it.site.stop();
    it.put(key, boost::json::serialize(broken));
    it.site.make_manager();
    it.site.start();
    it.site.pass(10s);
    const int orders = it.site.ca->count("newOrder");
    CHECK(it.site.run(it.site.manager->manage(names))->covers("b.test"));
    CHECK(it.site.ca->count("newOrder") == orders + 1);
    CHECK(it.site.logged(log_level::error, "is damaged and dropped") >= 1);
    it.site.run(it.site.manager->manage(names));
    CHECK(it.site.ca->count("newOrder") == orders + 1);
}

TEST_CASE("names that leave the host list are not renewed, and are when they come back, several in one too") {
    shared_site it;
    it.site.manager->set_hosts({"a.test", "b.test", "c.test"});
    it.site.cert("c.test");
    it.site.run(it.site.manager->manage({"a.test", "b.test"}));
    it.site.manager->set_hosts({"a.test"});
    it.site.pass(70 * day);
    CHECK(it.site.ca->count("newOrder") == 2);
    it.site.manager->set_hosts({"a.test", "b.test"});
    it.site.pass(1h);
    CHECK(it.site.ca->count("newOrder") == 3);
    it.site.manager->set_hosts({"c.test"});
    it.site.pass(1h);
    CHECK(it.site.ca->count("newOrder") == 4);
}

TEST_CASE("a host list of the store's is what the application's first one is compared with") {
    shared_site it;
    it.site.manager->set_hosts({"a.test", "b.test"});
    it.site.cert("a.test");
    it.site.cert("b.test");
    it.site.manager->set_hosts({"a.test"});
    it.site.pass(1min);
    it.site.restart();
    it.site.pass(70 * day);
    CHECK(it.site.ca->count("newOrder") == 3);
    it.site.manager->set_hosts({"a.test", "b.test"});
    it.site.pass(1h);
    CHECK(it.site.ca->count("newOrder") == 4);
}

TEST_CASE("what a list holds back is renewed when any name is admitted again, and a list keeps back what is in line") {
    shared_site it{[](auto& options) { options.orders = {1h, 3}; }};
    it.site.manager->allow_any_host();
    const std::vector<std::string> names{"a.test", "b.test", "c.test", "d.test", "e.test"};
    for (const auto& name : names) {
        it.site.cert(name);
        it.site.pass(2h);
    }
    it.site.manager->set_hosts({});
    it.site.pass(70 * day);
    CHECK(it.site.ca->count("newOrder") == 5);
    CHECK(it.site.status("a.test").next == next_act::forget);
    it.site.manager->allow_any_host();
    it.site.pass(1min);
    // Three tokens; the others wait in line.
    CHECK(it.site.ca->count("newOrder") == 8);
    it.site.manager->set_hosts({});
    it.site.pass(1 * day);
    CHECK(it.site.ca->count("newOrder") <= 9);  // one was on its way
    it.site.manager->allow_any_host();
    it.site.pass(1 * day);
    CHECK(it.site.ca->count("newOrder") == 10);
    for (const auto& name : names)
        CHECK(it.site.status(name).next_at > it.site.clock->wall());
}
