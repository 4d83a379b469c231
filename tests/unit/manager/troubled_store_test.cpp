// A store with one bad item, or one that is slow in the wrong moment.

#include "catch.hpp"
#include "forwarding_store.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr auto day = std::chrono::days{1};

class troubled_store final : public test::forwarding_store {
public:
    troubled_store(std::shared_ptr<store> next, std::shared_ptr<evercert::clock> time)
        : forwarding_store{std::move(next)}, time_{std::move(time)} {}

    asio::awaitable<std::optional<std::string>> load(std::string key) override {
        read.push_back(key);
        if (unreadable.contains(key))
            throw error{errc::store_failed, "cannot open " + key + ": Too many levels of symbolic links"};
        return next->load(std::move(key));
    }
    asio::awaitable<void> save(std::string key, std::string value, lease under) override {
        if (unwritable && key.starts_with(*unwritable))
            throw error{errc::store_failed, "cannot write " + key + ": No space left on device"};
        if (slow_to_save && key.starts_with(*slow_to_save))
            co_await time_->sleep_for(10s);
        co_await next->save(key, std::move(value), std::move(under));
        if (after_save)
            after_save(key);
    }
    asio::awaitable<lease> lock(std::string key, std::chrono::seconds length) override {
        if (before_lock)
            before_lock(key);
        return next->lock(std::move(key), length);
    }
    asio::awaitable<void> unlock(lease given) override {
        if (given.key.starts_with(slow_to_release) && while_releasing) {
            while_releasing();
            co_await time_->sleep_for(5s);
        }
        co_await next->unlock(std::move(given));
    }

    std::vector<std::string> read;
    std::set<std::string> unreadable;
    std::optional<std::string> unwritable;  ///< what begins so
    std::optional<std::string> slow_to_save;
    std::function<void(const std::string& key)> before_lock;
    std::function<void(const std::string& key)> after_save;
    std::string slow_to_release;
    std::function<void()> while_releasing;

private:
    std::shared_ptr<evercert::clock> time_;
};

struct troubled_site {
    troubled_site() {
        made = std::make_shared<troubled_store>(site.store, site.clock);
        site.store = made;
        site.make_manager();
    }

    void cannot_read(const std::string& prefix) {
        for (const auto& key : site.run(made->list(prefix)))
            made->unreadable.insert(key);
        REQUIRE_FALSE(made->unreadable.empty());
    }

    std::shared_ptr<troubled_store> made;
    test::simulated_site site{[](auto& options) {
        options.order_ceiling = {};
        options.renewal_info = false;
        options.limits = ca_limits{.failed_authorizations = {5, 1h}};
    }};
};

}  // namespace

TEST_CASE("an item that cannot be read keeps no other from memory and renewal, and is tried again") {
    troubled_site it;
    it.site.start();
    for (const auto* name : {"a.test", "m.test", "z.test"})
        it.site.cert(name);
    it.made->unreadable = {"certificates/m.test"};
    it.site.restart();
    it.site.pass(10s);
    CHECK(it.site.manager->find("a.test"));
    CHECK(it.site.manager->find("z.test"));
    CHECK_FALSE(it.site.manager->find("m.test"));
    it.site.pass(70 * day);
    CHECK(it.site.ca->count("newOrder") == 5);
    // Told of every few minutes at most.
    CHECK(it.site.logged(log_level::error, "symbolic links") <= 70 * 24 * 12 + 5);
    it.made->unreadable.clear();
    it.site.pass(6min);
    CHECK(it.site.manager->find("m.test"));
}

TEST_CASE("what the store has is served although the limits cannot be read, but nothing is ordered") {
    troubled_site it;
    it.site.start();
    it.site.cert("a.test");
    it.site.stop();
    it.cannot_read("limits/");
    it.site.restart();
    it.site.pass(10s);
    CHECK(it.site.ask("a.test"));
    CHECK_FALSE(it.site.ask("b.test"));
    it.site.pass(61 * day);
    CHECK(it.site.ca->count("newOrder") == 1);
    it.made->unreadable.clear();
    it.site.pass(10min);
    CHECK(it.site.ca->count("newOrder") == 2);
    CHECK(it.site.cert("b.test"));
}

TEST_CASE("an attempt that ends before it places an order is no reason for another one") {
    troubled_site it;
    it.site.restart([](auto& options) {
        options.orders = {0s, 1};
        options.order_ceiling = {};
    });
    const auto first = it.site.cert("a.test");
    it.site.pass(5 * day);
    const auto now = it.site.clock->wall();
    it.site.ca->renewal_windows(now - 2 * day, now - day);
    it.site.ca->fail_next("newOrder", 409, "alreadyReplaced", "no");
    it.made->before_lock = [&](const std::string& key) {
        if (key.starts_with("certificates/") && it.site.ca->count("newOrder") > 1)
            throw error{errc::store_failed, "cannot lock " + key + ": Read-only file system"};
    };
    it.site.pass(1 * day);
    CHECK(it.site.ca->count("newOrder") == 2);
    CHECK(it.site.heard(event_type::failed) > 0);
    CHECK(it.site.manager->find("a.test") == first);
    it.made->before_lock = nullptr;
    it.site.pass(2 * day);
    CHECK(it.site.manager->find("a.test") != first);
}

TEST_CASE("what the store has is served before failures and limits are read; what is ordered waits for them") {
    troubled_site it;
    it.site.start();
    const auto kept = it.site.cert("a.test");
    it.site.stop();
    it.site.make_manager();
    it.made->read.clear();
    const auto got = it.site.ask("a.test");  // it does not run
    REQUIRE(got);
    CHECK(got->serial() == kept->serial());
    CHECK(it.made->read == std::vector<std::string>{"certificates/a.test"});
    // Nor is the store asked for a name that is refused.
    it.site.manager->set_hosts({"b.test"});
    CHECK_FALSE(it.site.ask("c.test"));
    CHECK(it.made->read.size() == 1);
    CHECK_FALSE(it.site.ask("b.test"));
    CHECK(it.made->read.size() > 33);
}

TEST_CASE("what the store has is served by a manager that does not run and cannot read its limits") {
    troubled_site it;
    it.site.start();
    it.site.cert("a.test");
    it.site.stop();
    it.cannot_read("limits/");
    it.site.make_manager();
    CHECK(it.site.cert("a.test"));
    CHECK_THROWS_AS(it.site.cert("b.test"), error);
    CHECK(it.site.ca->count("newOrder") == 1);
}

TEST_CASE(
    "what an order may cost is in the store before the CA is told to validate, or the disk said that it cannot be") {
    troubled_site it;
    it.made->slow_to_save = "ledger/";
    std::vector<int> validations;
    it.made->after_save = [&](const std::string& key) {
        if (key.starts_with("ledger/"))
            validations.push_back(it.site.ca->count("challenge"));
    };
    it.site.start();
    it.site.cert("a.test");
    REQUIRE_FALSE(validations.empty());
    CHECK(validations.front() == 0);
    it.made->unwritable = "ledger/";
    CHECK(it.site.cert("b.test"));
    CHECK(it.site.logged(log_level::error, "cannot write ledger/") > 0);
}

TEST_CASE("an order waits for no other save than that of what it may cost") {
    const bool has_limits = GENERATE(true, false);
    troubled_site it;
    if (!has_limits)
        it.site.restart([](auto& options) { options.limits.reset(); });
    else
        it.site.start();
    it.made->slow_to_save = has_limits ? "ledger/" : "limits/";
    const auto before = it.site.time.elapsed();
    it.site.cert("a.test");
    CHECK((it.site.time.elapsed() - before >= 10s) == has_limits);
}

TEST_CASE("a manager that is stopped while a lock is released ends all the same") {
    troubled_site it;
    it.site.start();
    it.site.ca->fail_all("newOrder", 400, "rejectedIdentifier", "no");
    int released = 0;
    it.made->slow_to_release = "failures/";
    it.made->while_releasing = [&] {
        ++released;
        it.site.manager->stop();
    };
    CHECK_FALSE(it.site.ask("a.test"));
    it.site.pass(30s);
    CHECK(released > 0);
    it.made->while_releasing = nullptr;
    it.site.stop();  // throws if it does not end
}
