// Cancellation where our own limits really make it wait: in the limiters' queues, for the permit of an order, for a flight of
// somebody else's, for the store. Time is simulated, so that each life is the same, and its nth handler, too.

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/json/serialize.hpp>

#include "base/within.hpp"
#include "catch.hpp"
#include "forwarding_store.hpp"
#include "interruption.hpp"
#include "keeping.hpp"
#include "sanitized.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

template <typename T>
asio::awaitable<T> slowly(std::shared_ptr<evercert::clock> time, asio::awaitable<T> work) {
    co_await time->sleep_for(1ms);
    if constexpr (std::is_void_v<T>) {
        co_await std::move(work);
        co_await time->sleep_for(1ms);
    } else {
        T value = co_await std::move(work);
        co_await time->sleep_for(1ms);
        co_return value;
    }
}

/// A store that takes a moment before and after what it does, and knows for which locks it was asked.
class slow_store final : public test::forwarding_store {
public:
    explicit slow_store(std::shared_ptr<evercert::clock> time)
        : forwarding_store{memory_store(time)}, time_{std::move(time)} {}

    asio::awaitable<std::optional<std::string>> load(std::string key) override {
        return slowly(time_, next->load(std::move(key)));
    }
    asio::awaitable<void> save(std::string key, std::string value, lease under) override {
        co_await slowly(time_, next->save(std::move(key), std::move(value), std::move(under)));
        if (failures > 0 && failures-- > 0)
            throw error{errc::store_failed, "the disk is full"};
    }
    asio::awaitable<void> remove(std::string key) override { return slowly(time_, next->remove(std::move(key))); }
    asio::awaitable<std::vector<std::string>> list(std::string prefix) override {
        return slowly(time_, next->list(std::move(prefix)));
    }
    /// Not slowly afterwards: a lock that is granted must reach who asked for it.
    asio::awaitable<lease> lock(std::string key, std::chrono::seconds length) override {
        locked.insert(key);
        co_await time_->sleep_for(1ms);
        co_return co_await next->lock(std::move(key), length);
    }
    asio::awaitable<void> unlock(lease given) override { return slowly(time_, next->unlock(std::move(given))); }

    std::set<std::string> locked;
    int failures = 0;  ///< so many saves fail, after they have written

private:
    std::shared_ptr<evercert::clock> time_;
};

/// What happens after the nth handler. To leave is for those who asked; the manager works on.
enum class way { stop, cancel_serve, some_leave, all_leave };

/// A manager on a slow store, which is interrupted once, and the one that comes after it.
class interrupted_site {
public:
    explicit interrupted_site(test::simulated_site::change adjust)
        : site{
              [this, adjust](auto& options) {
                  adjust(options);
                  if (!kept)
                      kept = std::make_shared<slow_store>(options.clock);
                  options.store = kept;
                  options.network = std::make_shared<test::interrupted_network>(connections_, options.network);
                  options.last_save_timeout = 30s;
                  // Whatever is left of a manager has its log.
                  const auto part = std::make_shared<int>();
                  alive_ = part;
                  options.log.sink = [this, say = options.log.sink, part](log_level level, std::string_view text) {
                      latest_ = text;
                      say(level, text);
                  };
              },
              [this](auto& ca) {
                  ca.validation_delay = 5s;
                  ca.retry_after = "5";
                  ca.ordered = [this](const auto&) { ordered_at.push_back(site.time.elapsed()); };
              }} {}

    void interrupt_at(int n, way how) {
        cut.at(n, [this, how] {
            if (how == way::stop)
                site.manager->stop();
            else if (how == way::cancel_serve)
                site.cancel_serving();
            else
                leave(how == way::all_leave);
        });
        site.time.after_handler = [this] {
            cut.pass(latest_);
            for (const auto& limiter : site.manager->status().limiters)
                if (limiter.waiting > 0)
                    waited_for.insert(limiter.name);
        };
    }
    /// Who asked with whom stays, or not.
    void leave(bool all) {
        for (std::size_t i = 0; i < asked.size(); i += all ? 1 : 2)
            asked[i]->cancel();
        if (registering)
            registering->cancel();
    }
    /// Until it is done, or was interrupted: then whoever asked is answered, and serve() returns if it is to.
    template <typename Condition>
    bool interrupted_before(Condition done, way how, duration limit) {
        site.until([&] { return cut.happened() || done(); }, limit);
        site.time.after_handler = nullptr;
        const auto over = [&] {
            return (how != way::cancel_serve || !site.serving()) && (!registering || registering->ended()) &&
                std::all_of(asked.begin(), asked.end(), [](const auto& one) { return one->ended(); });
        };
        CAPTURE(asked.size(), site.serving(), cut.where());
        if (cut.happened())
            REQUIRE(site.until(over, how == way::stop ? duration{1min} : duration{3h}));
        return cut.happened();
    }
    /// Nothing of the manager is left, and every lock is free.
    void stop() {
        const auto began = site.time.elapsed();
        site.stop();
        CHECK(site.time.elapsed() - began < 10s);
        CHECK(alive_.expired());
        CHECK(connections_->streams == 0);
        for (const auto& key : kept->locked) {
            CAPTURE(key);
            auto locking = within(*site.clock, 1s, "locking", kept->next->lock(key, 10s));
            lease held;
            CHECK_NOTHROW(held = site.run(std::move(locking)));
            site.run(kept->next->unlock(held));
        }
    }
    /// As the next call, or the next process.
    void go_on(way how) {
        if (how == way::stop) {
            stop();
            site.make_manager();
        }
        if (how == way::stop || how == way::cancel_serve)
            site.start();
    }

    test::interruption cut;
    std::set<std::string> waited_for;  ///< limits
    std::vector<duration> ordered_at;
    std::shared_ptr<slow_store> kept;
    std::vector<std::unique_ptr<test::started<certificate_ptr>>> asked;  ///< two for each name
    std::optional<test::started<void>> registering;

private:
    const std::shared_ptr<test::interruption> connections_ = std::make_shared<test::interruption>();
    std::weak_ptr<int> alive_;
    std::string latest_;

public:
    test::simulated_site site;
};

// Several names at once.

enum class deed { obtain, renew };

/// Each limit is waited for, and so is the permit.
void hold_up(manager_options& options) {
    options.new_hosts = {1s, 1};
    options.orders = {2s, 1};
    options.order_ceiling = {1, 3s};
    options.orders_in_progress_max = 1;
    options.renewal_info_polls = {20s, 1};
    options.handshake_wait = 1h;
    options.limits = ca_limits{};
    options.challenges = {challenge_type::http_01};
}

class crowd : public interrupted_site {
public:
    explicit crowd(deed what) : interrupted_site{hold_up} {
        if (what == deed::renew)
            for (const auto& name : names)
                for (const auto& [key, value] : test::due(name, site.clock->wall()))
                    site.run(kept->next->save(key, boost::json::serialize(value)));
        site.start();
        if (what == deed::renew)
            return;
        const auto executor = site.io.get_executor();
        registering.emplace(executor, site.manager->register_account("ops@a.test"));
        for (const auto& name : names) {
            asked.push_back(std::make_unique<test::started<certificate_ptr>>(executor, site.manager->cert(name)));
            asked.push_back(std::make_unique<test::started<certificate_ptr>>(
                executor, site.manager->get_certificate(client_hello{name, {}})));
        }
    }

    bool is_fresh(const std::string& name) {
        const auto found = site.manager->find(*identifier::parse(name));
        return found && found->not_after() > site.clock->wall() + std::chrono::days{30};
    }
    /// All have their certificate, and the CA has said of each when to renew it.
    bool done() {
        return std::all_of(names.begin(), names.end(), [&](const auto& name) { return is_fresh(name); }) &&
            std::all_of(asked.begin(), asked.end(), [](const auto& one) { return one->ended(); }) &&
            site.ca->count("renewalInfo") >= static_cast<int>(names.size());
    }

    static inline const std::vector<std::string> names{"a.test", "b.test", "c.test"};
};

/// False if all was done before the nth handler.
bool interrupt_crowd_at(int n, deed what, way how) {
    CAPTURE(n);
    crowd it{what};
    it.interrupt_at(n, how);
    const bool happened = it.interrupted_before([&] { return it.done(); }, how, 1h);
    CAPTURE(n, it.cut.where());
    if (!happened) {
        REQUIRE(it.done());
        for (std::size_t i = 1; i < it.ordered_at.size(); ++i)
            CHECK(it.ordered_at[i] - it.ordered_at[i - 1] >= 5s);  // one waited for the other's permit
        CHECK(it.site.time.elapsed() > 40s);                       // two polls waited for their tokens
        for (const auto* limit : {"orders", "order_ceiling", "renewal_info_polls"})
            CHECK(it.waited_for.contains(limit));
        CHECK(it.waited_for.contains("new_hosts") == (what == deed::obtain));
    }
    // Who did not leave is served.
    for (std::size_t i = 1; i < it.asked.size() && how == way::some_leave; i += 2)
        CHECK(it.asked[i]->take());
    it.asked.clear();
    it.registering.reset();
    if (happened)
        it.go_on(how);
    for (const auto& name : crowd::names) {
        if (what == deed::obtain)
            CHECK(it.site.cert(name)->covers(name));
        else
            CHECK(it.site.until([&] { return it.is_fresh(name); }, std::chrono::days{3}));
    }
    it.stop();
    const auto& ca = *it.site.ca;
    const int count = static_cast<int>(crowd::names.size());
    CHECK(ca.count("finalize") == count);
    CHECK(ca.certificates_issued() == count);
    CHECK(ca.protocol_violations() == 0);
    CHECK(ca.count("newAccount") <= 2);
    // One order was in progress, or none could be validated any more.
    const int extra = how == way::stop ? 1 : how == way::cancel_serve ? count : 0;
    CHECK(ca.count("newOrder") <= count + extra);
    return happened;
}

// A save.

/// False if everything was saved before the nth handler.
bool interrupt_save_at(int n, int failures, way how) {
    interrupted_site it{[](auto& options) { options.limits = ca_limits{}; }};
    auto& site = it.site;
    site.start();
    site.pass(1s);
    auto items = read_document(site.manager->marshal());
    for (auto& [key, value] : test::due("a.test", site.clock->wall() + std::chrono::days{60}))  // not yet
        items[key] = std::move(value);
    it.kept->failures = failures;
    it.interrupt_at(n, how);
    site.manager->unmarshal(write_document(items));
    site.manager->set_hosts({"a.test"});
    const bool happened = it.interrupted_before([] { return false; }, how, 10min);
    CAPTURE(n, it.cut.where());
    if (happened)
        it.go_on(how);
    const auto stored = [&](const std::string& key) { return site.run(it.kept->next->load(key)).value_or(""); };
    site.pass(10min);
    CHECK(site.manager->find("a.test"));
    CHECK_FALSE(stored("certificates/a.test").empty());
    CHECK_FALSE(site.ask("b.test"));
    CHECK(site.refusal == errc::name_not_allowed);
    site.manager->set_hosts({"a.test", "c.test"});
    site.pass(1s);
    CHECK_THAT(stored("hosts"), Catch::Matchers::ContainsSubstring("c.test"));
    CHECK(site.ca->count("newOrder") == 0);
    it.stop();
    return happened;
}

}  // namespace

TEST_CASE("names that wait for each other in every limit are interrupted at any moment, and nothing is lost or twice") {
    // A life of some 400 handlers, and the one after it, take 40 ms. stop() comes after each of them, which covers all; what ends
    // less of it comes after every sixth.
    const auto [what, how, stride] = GENERATE(table<deed, way, int>(
        {{deed::obtain, way::stop, 1},
         {deed::renew, way::stop, 1},
         {deed::obtain, way::cancel_serve, 6},
         {deed::renew, way::cancel_serve, 6},
         {deed::obtain, way::some_leave, 6},
         {deed::obtain, way::all_leave, 6}}));
    CAPTURE(what, how);
    int n = 1;
    while (interrupt_crowd_at(n, what, how))
        n += test::sanitized ? 7 * stride : stride;  // the build without sees each
    CHECK(n > 300);
}

TEST_CASE("a save is interrupted at any moment: it is made up for, and the next one works") {
    const auto [how, failures] =
        GENERATE(table<way, int>({{way::stop, 0}, {way::cancel_serve, 0}, {way::cancel_serve, 6}}));
    CAPTURE(how, failures);
    int n = 1;
    while (interrupt_save_at(n, failures, how))
        ++n;
    CHECK(n > 30);
}
