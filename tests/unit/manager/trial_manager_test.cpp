#include <boost/json/parse.hpp>

#include "base/log.hpp"
#include "base/outcome.hpp"
#include "catch.hpp"
#include "forwarding_store.hpp"
#include "http/client.hpp"
#include "manager/records.hpp"
#include "process.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr auto day = std::chrono::days{1};

/// One whose disk is full at times.
class full_store final : public test::forwarding_store {
public:
    using forwarding_store::forwarding_store;

    asio::awaitable<void> save(std::string key, std::string value, lease under) override {
        if (is_full)
            throw error{errc::store_failed, "the disk is full"};
        co_await next->save(std::move(key), std::move(value), std::move(under));
    }

    bool is_full = false;
};

/// A CA whose certificates are renewed, while those of before are good for days.
class tried_site {
public:
    explicit tried_site(test::simulated_site::change adjust = {})
        : site{
              [adjust](auto& options) {
                  options.rejections_max = 3;
                  options.renewal_info = false;
                  if (adjust)
                      adjust(options);
              },
              [](auto& ca) { ca.lifetime = 30 * day; }} {
        write_file("good.pem", site.ca->issuing_root_pem());
        write_file("bad.pem", site.ca->api_root_pem());
        site.start();
        first = site.cert("a.test");
    }

    void renew() {
        REQUIRE(site.until([&] { return site.manager->find("a.test") != first; }, 21 * day));
        second = site.manager->find("a.test");
    }
    /// A real client; true if it has taken the certificate. One that does not know the root sends the alert unknown_ca.
    bool visit(bool trusting = true) { return site.run(connect(trusting)); }

    test::simulated_site site;
    certificate_ptr first, second;

private:
    void write_file(const std::string& name, const std::string& text) {
        test::write_all_to(site.folder.file(name), text);
    }
    asio::awaitable<bool> connect(bool trusting) {
        http_client_options options;
        options.ca_file = site.folder.file(trusting ? "good.pem" : "bad.pem");
        http_client client{options, site.clock, site.net, logger{}};
        request asked{"GET", "https://a.test/"};
        const auto answered = co_await as_outcome(client.send(std::move(asked)));
        co_return !answered.thrown;
    }
};

}  // namespace

TEST_CASE("a new certificate that clients reject is rolled back, told, and tried again later") {
    tried_site it;
    it.renew();
    it.site.forget_events();
    for (int i = 0; i < 2; ++i)
        CHECK_FALSE(it.visit(false));
    CHECK(it.site.manager->find("a.test") == it.second);
    CHECK_FALSE(it.visit(false));
    it.site.pass(1s);
    const auto served = it.site.ask("a.test");
    CHECK(served->serial() == it.first->serial());
    CHECK(it.site.heard(event_type::rolled_back) == 1);
    for (const auto& event : it.site.heard())
        if (event.type == event_type::rolled_back) {
            CHECK(event.serial == it.second->serial());
            CHECK(event.names == std::vector<identifier>{"a.test"});
        }
    const auto status = it.site.status("a.test");
    REQUIRE(status.problem);
    CHECK(status.next == next_act::renew);
    const int orders = it.site.ca->count("newOrder");
    it.site.pass(50min);
    CHECK(it.site.ca->count("newOrder") == orders);
    CHECK(it.site.until([&] { return it.site.manager->find("a.test")->serial() != it.first->serial(); }, 1h));
    CHECK(it.site.ca->count("newOrder") == orders + 1);
    CHECK(it.visit());
    CHECK(it.site.status("a.test").problem == std::nullopt);
}

TEST_CASE("a certificate is not rolled back to one that is about to end, whoever rejects it") {
    tried_site it;
    it.site.ca->fail_all("newOrder", 503, "serverInternal", "come back later");
    const auto end = it.first->not_after();
    REQUIRE(it.site.until([&] { return it.site.clock->wall() > end - 30h; }, 40 * day));
    it.site.ca->recover();
    it.renew();
    for (int i = 0; i < 5; ++i)
        CHECK_FALSE(it.visit(false));
    it.site.pass(1s);
    CHECK(it.site.ask("a.test")->serial() == it.second->serial());
    CHECK(it.site.heard(event_type::rolled_back) == 0);
}

TEST_CASE("what was rolled back stays so over a restart") {
    tried_site it;
    it.renew();
    for (int i = 0; i < 3; ++i)
        it.visit(false);
    it.site.pass(1min);
    it.site.restart();
    CHECK(it.site.ask("a.test")->serial() == it.first->serial());
}

TEST_CASE("one client that accepts a new certificate ends its trial: no hostile client can take it back") {
    tried_site it;
    it.renew();
    CHECK_FALSE(it.visit(false));
    CHECK(it.visit());
    for (int i = 0; i < 20; ++i)
        CHECK_FALSE(it.visit(false));
    it.site.pass(1min);
    CHECK(it.site.manager->find("a.test") == it.second);
    CHECK(it.site.heard(event_type::rolled_back) == 0);
}

TEST_CASE("a first certificate is on no trial: there is nothing to go back to") {
    tried_site it;
    for (int i = 0; i < 20; ++i)
        CHECK_FALSE(it.visit(false));
    it.site.pass(1min);
    CHECK(it.site.manager->find("a.test") == it.first);
    CHECK(it.site.heard(event_type::rolled_back) == 0);
    CHECK(it.visit());
}

TEST_CASE("a certificate that clients reject again and again costs an order a day at most in the end") {
    tried_site it;
    it.renew();
    const int before = it.site.ca->count("newOrder");
    for (int hour = 0; hour < 30 * 24; ++hour) {
        it.visit(false);
        it.visit(false);
        it.visit(false);
        it.site.pass(1h);
    }
    CHECK(it.site.heard(event_type::rolled_back) >= 2);
    // 1, 2, 4, 8, 16 hours, then a day; and while the one before is good, which is 10 days.
    CHECK(it.site.ca->count("newOrder") - before <= 34);
    CHECK(it.site.ask("a.test"));
}

namespace {

/// A store that fails or hangs on demand.
class moody_store final : public test::forwarding_store {
public:
    explicit moody_store(std::shared_ptr<evercert::clock> clock)
        : forwarding_store{memory_store(clock)}, clock_{std::move(clock)} {}

    enum class mood { good, fails, hangs };
    mood saving = mood::good;
    std::vector<std::string> saved;

    asio::awaitable<void> save(std::string key, std::string value, lease under) override {
        if (saving == mood::hangs)
            co_await clock_->sleep_for(std::chrono::hours{1000});
        if (saving == mood::fails)
            throw error{errc::store_failed, "the disk is full"};
        saved.push_back(key);
        co_await next->save(std::move(key), std::move(value), std::move(under));
    }

private:
    std::shared_ptr<evercert::clock> clock_;
};

std::size_t place_of(const std::vector<manager_event>& all, event_type type, const std::string& text = {}) {
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].type == type && (text.empty() || all[i].text.starts_with(text)))
            return i;
    return all.size();
}

}  // namespace

TEST_CASE(
    "a certificate is saved first and published second; a store that fails or hangs withholds it for a while only") {
    using mood = moody_store::mood;
    const auto how = GENERATE(mood::good, mood::fails, mood::hangs);
    CAPTURE(static_cast<int>(how));
    test::simulated_site site;
    const auto kept = std::make_shared<moody_store>(site.clock);
    site.stop();
    site.store = kept;
    site.make_manager();
    site.start();
    site.run(site.manager->register_account("ops@a.test"));
    site.forget_events();
    kept->saving = how;
    const auto obtained = site.time.run(site.manager->cert("a.test"), 10min);
    const auto served = site.manager->find("a.test");
    CHECK(served == obtained);
    const auto& told = site.heard();
    const auto kind = how == mood::good ? event_type::saved : event_type::save_failed;
    const auto taken = place_of(told, kind, "certificates/a.test");
    const auto published = place_of(told, event_type::published);
    REQUIRE(taken < told.size());
    REQUIRE(published < told.size());
    CHECK(place_of(told, event_type::obtained) < taken);
    CHECK(taken < published);
    CHECK(site.status("a.test").saved == (how == mood::good));
    kept->saving = mood::good;
    site.pass(2min);
    CHECK(site.status("a.test").saved);
    CHECK(site.run(kept->load("certificates/a.test")));
}

TEST_CASE(
    "a certificate is taken back while the store is full, which is told, and the store has the one before later") {
    std::shared_ptr<full_store> kept;
    tried_site it{[&](auto& options) { options.store = kept = std::make_shared<full_store>(options.store); }};
    const auto stored = [&] {
        const auto text = it.site.run(kept->load("certificates/a.test"));
        return read_certificate(boost::json::parse(text.value()).as_object()).certificate->get()->serial();
    };
    it.renew();
    CHECK(stored() == it.second->serial());
    it.site.forget_events();
    kept->is_full = true;
    for (int i = 0; i < 3; ++i)
        CHECK_FALSE(it.visit(false));
    it.site.pass(2min);
    CHECK(it.site.ask("a.test")->serial() == it.first->serial());
    CHECK(it.site.heard(event_type::rolled_back) == 1);
    CHECK(it.site.heard(event_type::save_failed) >= 2);
    CHECK_FALSE(it.site.status("a.test").saved);
    CHECK(stored() == it.second->serial());
    kept->is_full = false;
    it.site.pass(5min);
    CHECK(it.site.status("a.test").saved);
    CHECK(stored() == it.first->serial());
    CHECK(it.site.ask("a.test")->serial() == it.first->serial());
}
