#include <set>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/outcome.hpp"
#include "catch.hpp"
#include "forwarding_store.hpp"
#include "ledger/ending_map.hpp"
#include "manager/records.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr auto interval = 1h;

/// A store that knows what is saved without the lease of its key.
class leased_store final : public test::forwarding_store {
public:
    explicit leased_store(std::shared_ptr<evercert::clock> time) : forwarding_store{memory_store(std::move(time))} {}

    asio::awaitable<void> save(std::string key, std::string value, lease under) override {
        if (!under.token)
            without_lease.insert(key.substr(0, key.find('/')));
        if (failing)
            throw error{errc::store_failed, "the disk is full"};
        co_await next->save(std::move(key), std::move(value), std::move(under));
        if (forgetful)
            throw error{errc::store_failed, "the disk did not answer"};
    }

    std::set<std::string> without_lease;
    bool failing = false;
    bool forgetful = false;
};

/// The site's manager and a second process with another one; nobody gets through to the second one's solvers.
class two_processes {
public:
    explicit two_processes(duration lock_wait = 5min)
        : site{[this, lock_wait](manager_options& options) {
              options.renewal_info = false;
              options.limits.emplace().orders = {300, 300 * interval};
              options.lock_wait = std::chrono::duration_cast<std::chrono::milliseconds>(lock_wait);
              shared = options;
          }} {
        site.stop();
        kept = std::make_shared<leased_store>(site.clock);
        site.store = kept;
        site.make_manager();
        site.start();
        site.cert("first.test");  // there is an account
        site.pass(1min);
        start_second();
    }
    ~two_processes() { stop_second(); }

    void start_second() {
        shared.store = kept;
        second.emplace(site.io, shared);
        running_.emplace(site.io.get_executor(), second->run());
        site.pass(1s);
    }
    void stop_second() {
        second->stop();
        site.run(running_->join());
        running_.reset();
        second.reset();
    }
    /// It fails.
    void order_by_second(const identifier& name) {
        auto work = as_outcome(second->cert(name));
        CHECK(site.run(std::move(work)).thrown);
    }

    boost::json::object stored(const std::string& key) {
        const auto text = site.run(kept->next->load(key));
        return text ? boost::json::parse(*text).as_object() : boost::json::object{};
    }
    std::string orders_key() {
        return "orders" + (account_mark + account_tag(read_account(stored(account_key(site.ca->directory_url()))).key));
    }
    std::string orders_shard() { return ledger_key(site.ca->directory_url(), shard_of_key(orders_key())); }
    /// So many orders are owed in the store that it had to be so many since `begin`, if none was forgotten or counted twice.
    void check_orders(int count, wall_time begin) {
        const auto shard = stored(orders_shard());
        REQUIRE(shard.contains(orders_key()));
        const wall_time full_at{std::chrono::milliseconds{shard.at(orders_key()).as_int64()}};
        CHECK(full_at >= begin + count * interval - 1s);
        CHECK(full_at <= begin + count * interval + interval);
    }

    manager_options shared;
    test::simulated_site site;
    std::shared_ptr<leased_store> kept;
    std::optional<manager> second;

private:
    std::optional<test::started<void>> running_;
};

/// Another name that stands in the same shard of the failures.
identifier neighbour(const identifier& of) {
    for (int i = 0;; ++i) {
        const identifier other{"f" + std::to_string(i) + ".test"};
        if (shard_of_key(certificate_key({other})) == shard_of_key(certificate_key({of})) && other != of)
            return other;
    }
}

}  // namespace

TEST_CASE("the orders of all processes that share a store are counted in its ledger, each once") {
    two_processes both;
    both.site.pass(3h);
    const auto begin = both.site.clock->wall();
    const int before = both.site.ca->count("newOrder");
    for (int i = 0; i < 5; ++i) {
        both.site.cert("a" + std::to_string(i) + ".test");
        both.order_by_second("b" + std::to_string(i) + ".test");
    }
    both.site.pass(10s);
    const int orders = both.site.ca->count("newOrder") - before;
    CHECK(orders >= 10);
    both.check_orders(orders, begin);
    CHECK_FALSE(both.kept->without_lease.contains("ledger"));
    CHECK_FALSE(both.kept->without_lease.contains("limits"));
}

TEST_CASE("orders that could not be saved, or whose save went unnoticed, are added when they can be, each once") {
    two_processes both;
    both.site.pass(3h);
    const auto begin = both.site.clock->wall();
    const int before = both.site.ca->count("newOrder");
    both.kept->forgetful = true;
    both.site.cert("a1.test");
    both.site.pass(3min);
    both.kept->forgetful = false;
    both.kept->failing = true;
    both.site.cert("a2.test");
    both.site.pass(10s);
    both.kept->failing = false;
    both.order_by_second("b.test");
    both.site.pass(2min);
    const int orders = both.site.ca->count("newOrder") - before;
    CHECK(orders >= 3);
    both.check_orders(orders, begin);
}

TEST_CASE("a shard that another process has locked is saved when lock_wait and the next attempt allow") {
    two_processes both{1min};
    both.site.pass(3h);
    const auto begin = both.site.clock->wall();
    const auto held = both.site.run(both.kept->lock(both.orders_shard(), 3h));
    both.site.cert("a.test");
    both.site.pass(2min);
    CHECK(both.site.logged(log_level::error, "cannot save " + both.orders_shard()) >= 1);
    CHECK(both.stored("certificates/a.test").contains("chain"));
    both.site.run(both.kept->unlock(held));
    both.site.pass(2min);
    both.check_orders(1, begin);
}

TEST_CASE("a failure of one process is known to the others when they start, though they save the same shard") {
    two_processes both;
    const identifier failed{"b.test"};
    both.order_by_second(failed);
    both.site.pass(30s);
    const auto other = neighbour(failed);
    both.site.ca->validation_ports(81, 444);
    both.site.ask(other.value());
    both.site.pass(30s);
    const auto shard = both.stored(failures_key(both.site.ca->directory_url(), shard_of_key(certificate_key({other}))));
    CHECK(shard.contains(certificate_key({failed})));
    CHECK(shard.contains(certificate_key({other})));
    both.site.restart();
    both.site.pass(1s);
    const int orders = both.site.ca->count("newOrder");
    CHECK_FALSE(both.site.ask(failed.value()));
    CHECK(both.site.ca->count("newOrder") == orders);
    CHECK(both.site.status(failed).problem);
}

TEST_CASE("a failure that one process has overcome is not brought back by another one") {
    two_processes both;
    const identifier failed{"b.test"};
    const auto other = neighbour(failed);
    both.order_by_second(failed);
    both.site.pass(30s);
    both.site.restart();  // it knows of it
    both.site.pass(2h);
    both.site.cert(failed);
    both.site.pass(30s);
    both.order_by_second(other);
    both.site.pass(30s);
    const auto shard = both.stored(failures_key(both.site.ca->directory_url(), shard_of_key(certificate_key({other}))));
    CHECK(shard.contains(certificate_key({other})));
    CHECK_FALSE(shard.contains(certificate_key({failed})));
}

TEST_CASE("of the buckets of two processes the larger debt is kept, and a clock that is ahead does not lengthen it") {
    limits_record mine, other;
    mine.written = wall_time{100h};
    mine.orders_full = wall_time{102h};
    mine.new_hosts_full = wall_time{101h};
    mine.latest_orders = {wall_time{99h}};
    other.written = wall_time{99h};
    other.orders_full = wall_time{101h};
    other.new_hosts_full = wall_time{103h};
    other.polls_full = wall_time{105h};
    other.latest_orders = {wall_time{98h}};
    const auto both = merged(mine, other);
    CHECK(both.written == mine.written);
    CHECK(both.orders_full == mine.orders_full);
    CHECK(both.new_hosts_full == other.new_hosts_full);
    CHECK(both.polls_full == other.polls_full);
    CHECK(both.latest_orders == mine.latest_orders);
    other.written += 1000h;
    for (auto* each : {&other.orders_full, &other.new_hosts_full, &other.polls_full, &other.latest_orders[0]})
        *each += 1000h;
    const auto ahead = merged(mine, other);
    CHECK(ahead.written == mine.written);
    CHECK(ahead.orders_full == mine.orders_full);
    CHECK(ahead.new_hosts_full == wall_time{104h});
    CHECK(ahead.latest_orders == std::vector{wall_time{99h}});
    CHECK(merged({}, other).orders_full == other.orders_full);
}
