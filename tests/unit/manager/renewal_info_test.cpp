#include <fstream>

#include <boost/json/serialize.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "issuance/issuer.hpp"
#include "manager/account_keeper.hpp"
#include "manager/state.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr auto day = std::chrono::days{1};

test::simulated_site::ca_change lifetime(std::chrono::seconds length, bool with_renewal_info) {
    return [=](auto& ca) { ca.lifetime = length, ca.renewal_info = with_renewal_info; };
}

/// By timers alone: nobody asks for the certificate. Returns how often it was replaced until `length` had passed.
int generations(test::simulated_site& site, duration length) {
    int replaced = 0;
    auto current = site.cert("a.test");
    const auto end = site.time.elapsed() + length;
    while (site.time.elapsed() < end) {
        if (!site.until([&] { return site.manager->find("a.test") != current; }, end - site.time.elapsed()))
            break;
        CHECK(current->not_after() > site.clock->wall());
        current = site.manager->find("a.test");
        ++replaced;
    }
    CHECK(site.heard(event_type::expiring) == 0);
    return replaced;
}

}  // namespace

TEST_CASE("certificates of every lifetime are renewed by timers alone, never expire, and cost no order too many") {
    const std::chrono::seconds length = GENERATE(90 * 24h, 64 * 24h, 45 * 24h, 6 * 24h, 1h);
    const bool with_renewal_info = GENERATE(false, true);
    CAPTURE(length.count(), with_renewal_info);
    test::simulated_site site{{}, lifetime(length, with_renewal_info)};
    site.start();
    const int replaced = generations(site, 3 * length);
    // By the lifetime: at 64.7 to 66.7 % of it, 48 to 50 % for short ones. By the CA: at 65.7 to 67.7 %, which short ones
    // follow, too. What is left of the third generation's time decides between two numbers.
    const bool short_lived = length <= 10 * day && !with_renewal_info;
    CHECK(replaced >= (short_lived ? 6 : 4));
    CHECK(replaced <= (short_lived ? 6 : 4));
    CHECK(site.ca->count("newOrder") == 1 + replaced);
    CHECK(site.ca->certificates_issued() == 1 + replaced);
}

TEST_CASE("the moment of renewal is drawn once: a restart does not draw it again") {
    test::simulated_site site{{}, lifetime(90 * 24h, false)};
    site.start();
    site.cert("a.test");
    const auto planned = site.status("a.test").next_at;
    REQUIRE(planned);
    for (int i = 0; i < 3; ++i) {
        site.restart();
        site.until([&] { return site.manager->find("a.test") != nullptr; }, 1min);
        CHECK(site.status("a.test").next_at == planned);
        CHECK(site.status("a.test").next == next_act::renew);
    }
}

TEST_CASE("the CA is asked for renewal information as often as it says") {
    const auto [retry_after, least, most] = GENERATE(table<std::string, int, int>(
        {{"21600", 4, 5},
         {"43200", 2, 3},
         {"3600", 23, 25},
         {"", 4, 5},
         {"nonsense", 4, 5},
         // Not sooner than after a minute, not later than after a day.
         {"1", 1400, 1441},
         {"999999999", 1, 2}}));
    CAPTURE(retry_after);
    test::simulated_site site{{}, [&](auto& ca) { ca.renewal_info_retry_after = retry_after; }};
    site.start();
    site.cert("a.test");
    site.pass(1 * day);
    CHECK(site.ca->count("renewalInfo") >= least);
    CHECK(site.ca->count("renewalInfo") <= most);
    CHECK(site.ca->count("newOrder") == 1);
}

TEST_CASE("a window that the CA moves to the past renews at once, says what it replaces, and is told") {
    test::simulated_site site;
    site.start();
    const auto first = site.cert("a.test");
    const auto other = site.cert("b.test");
    site.pass(5 * day);
    site.forget_events();
    const auto now = std::chrono::floor<std::chrono::seconds>(site.clock->wall());
    site.ca->renewal_window(first->serial(), now - 2 * day, now - day, "https://ca.test/incident");
    CHECK(site.until([&] { return site.manager->find("a.test") != first; }, 6h + 10min));
    CHECK(site.ca->replaced() == std::vector{first->serial()});
    CHECK(site.ca->count("newOrder") == 3);
    CHECK(site.manager->find("b.test") == other);
    bool told = false;
    for (const auto& event : site.heard())
        if (event.type == event_type::renewal_suggested && event.names == std::vector<identifier>{"a.test"} && !told) {
            told = true;
            CHECK(event.next == now - 2 * day);
            CHECK(event.text.find("https://ca.test/incident") != std::string::npos);
        }
    CHECK(told);
}

TEST_CASE("whatever a CA has against `replaces`, the order goes on at once without it") {
    const auto [status, type] = GENERATE(table<int, std::string>(
        {{409, "alreadyReplaced"}, {400, "malformed"}, {403, "unauthorized"}, {404, "malformed"}}));
    CAPTURE(status, type);
    test::simulated_site site;
    site.start();
    const auto first = site.cert("a.test");
    site.pass(5 * day);
    const auto now = site.clock->wall();
    site.ca->renewal_windows(now - 2 * day, now - day);
    site.ca->fail_next("newOrder", status, type, "no");
    REQUIRE(site.until([&] { return site.ca->count("newOrder") > 1; }, 7h));
    const auto asked = site.clock->wall();
    CHECK(site.until([&] { return site.manager->find("a.test") != first; }, 1min));
    CHECK(site.clock->wall() - asked < 30s);
    CHECK(site.ca->count("newOrder") == 3);
    CHECK(site.ca->replaced().empty());
    CHECK(site.heard(event_type::failed) == 0);
}

TEST_CASE("what an order learned of `replaces` while a poll waited is not forgotten with the poll's answer") {
    test::simulated_site site{
        [](auto& options) {
            options.renewal_info_polls = {20h, 1};
            options.retry.server = {18h, 18h};
        },
        [](auto& ca) { ca.lifetime = 12h, ca.renewal_info_retry_after = "3600"; }};
    site.start();
    const auto first = site.cert("a.test");
    REQUIRE(site.until([&] { return site.ca->count("renewalInfo") == 1; }, 1min));
    // The second poll is due after an hour, and waits for its token until after the certificate's end. The renewal does not.
    site.ca->fail_next("newOrder", 409, "alreadyReplaced", "no");
    site.ca->fail_next("newOrder", 503, "serverInternal", "come back later");
    REQUIRE(site.until([&] { return site.ca->count("newOrder") == 3; }, 10h));
    REQUIRE(site.heard(event_type::expired) == 0);
    REQUIRE(site.ca->count("renewalInfo") == 1);
    REQUIRE(site.until([&] { return site.ca->count("renewalInfo") == 2; }, 20h));
    REQUIRE(site.ca->count("newOrder") == 3);
    CHECK(site.cert("a.test") != first);
    CHECK(site.ca->count("newOrder") == 4);
    CHECK(site.ca->replaced().empty());
}

TEST_CASE("a renewal does not wait for the poll of its certificate, which is asked once more for what comes of it") {
    test::simulated_site site{
        [](auto& options) { options.renewal_info_polls = {std::chrono::hours{5 * 24}, 1}; },
        [](auto& ca) { ca.lifetime = 3 * day, ca.renewal_info_retry_after = "3600"; }};
    site.start();
    const auto first = site.cert("a.test");
    REQUIRE(site.until([&] { return site.manager->find("a.test") != first; }, 3 * day));
    CHECK(site.clock->wall() < first->not_after());
    CHECK(site.ca->count("renewalInfo") == 1);
    const auto polls = site.manager->status().limiters.back();
    CHECK(polls.name == "renewal_info_polls");
    CHECK(polls.waiting == 1);
    // The one that waited asks for the first, which is gone; the next is for what is there.
    const auto second = site.manager->find("a.test");
    site.pass(20 * day);
    CHECK(site.ca->count("renewalInfo") == 5);
    CHECK(site.manager->find("a.test") != second);
    CHECK(site.heard(event_type::expiring) == 0);
}

TEST_CASE("an order that the CA does not take as a replacement keeps the limits that replacements are exempt from") {
    test::simulated_site site{[](manager_options& options) {
        ca_limits limits;
        limits.certificates_per_name_set = {1, std::chrono::days{7}};
        limits.replacements_exempt = true;
        options.limits = limits;
    }};
    site.start();
    const auto first = site.cert("a.test");
    const auto obtained = site.clock->wall();
    site.pass(5 * day);
    const auto now = site.clock->wall();
    site.ca->renewal_windows(now - 2 * day, now - day);
    site.ca->fail_next("newOrder", 409, "alreadyReplaced", "no");
    REQUIRE(site.until([&] { return site.manager->find("a.test") != first; }, 3 * day));
    CHECK(site.clock->wall() >= obtained + 7 * day);
    CHECK(site.clock->wall() < obtained + 7 * day + 6h);  // jitter: a part of the wait
    CHECK(site.heard(event_type::failed) == 1);
    CHECK(site.ca->count("newOrder") == 3);  // it was not asked again whether it takes a replacement
    CHECK(site.ca->replaced().empty());
}

TEST_CASE("an order that went without `replaces` counts from when it is given up, also after a restart") {
    test::simulated_site site{[](manager_options& options) {
        ca_limits limits;
        limits.certificates_per_domain = {1, std::chrono::days{7}};
        limits.replacements_exempt = true;
        limits.renewal_reserve_percent = 0;
        options.limits = limits;
        // It has not failed so often by then that the next one would not say what it replaces.
        options.retry.server = {40min, 40min};
    }};
    site.start();
    site.cert("a.test");
    site.pass(8 * day);
    const auto now = site.clock->wall();
    site.ca->renewal_windows(now - 2 * day, now - day);
    site.ca->faults().hang_orders(true);
    site.ca->fail_next("newOrder", 409, "alreadyReplaced", "no");
    REQUIRE(site.until([&] { return site.ca->count("finalize") == 2; }, 7h));
    const auto ordered = site.clock->wall();
    CHECK(site.manager->can_issue({"b.a.test"}).not_before < ordered + 7 * day + 1min);
    site.restart();  // it knows of the order what the store has
    site.pass(3h);
    CHECK(site.ca->count("newOrder") >= 4);
    CHECK(site.manager->can_issue({"b.a.test"}).not_before > ordered + 7 * day + issuer::processing_max);
}

TEST_CASE("a window that had ended before the certificate was obtained does not renew it") {
    test::simulated_site site;
    site.start();
    const auto first = site.cert("a.test");
    site.pass(5 * day);
    const auto now = site.clock->wall();
    site.ca->renewal_windows(now - 2 * day, now - day);
    REQUIRE(site.until([&] { return site.manager->find("a.test") != first; }, 7h));
    site.ca->renewal_windows(now - 2 * day, now - day);  // the same for the new one
    site.pass(20 * day);
    CHECK(site.ca->count("newOrder") == 2);
}

TEST_CASE("a CA whose windows are always now costs four orders a day and no more") {
    test::simulated_site site;
    site.start();
    site.cert("a.test");
    for (int hour = 0; hour < 5 * 24; ++hour) {
        site.ca->renewal_windows(site.clock->wall() - 1h, site.clock->wall() + 1h);
        site.pass(1h);
    }
    CHECK(site.ca->count("newOrder") > 5);
    CHECK(site.ca->count("newOrder") <= 5 * 4 + 1);
}

TEST_CASE("without usable renewal information certificates are renewed by their dates") {
    const int kind = GENERATE(0, 1, 2, 3, 4);
    CAPTURE(kind);
    test::simulated_site site{
        [&](auto& options) { options.renewal_info = kind != 4; },
        [&](auto& ca) { ca.lifetime = 30 * day, ca.renewal_info = kind != 0; }};
    if (kind == 1)
        site.ca->fail_all("renewalInfo", 404, "malformed");
    if (kind == 2)
        site.ca->fail_all("renewalInfo", 200 + 300, "", "<html>");
    site.start();
    const auto first = site.cert("a.test");
    const auto issued = site.clock->wall();
    if (kind == 3)
        site.ca->renewal_windows(issued + 3 * day, issued + 2 * day);
    REQUIRE(site.until([&] { return site.manager->find("a.test") != first; }, 30 * day));
    const auto after = site.clock->wall() - issued;
    CHECK(after >= 19 * day);  // 20 days, less 2 % of the lifetime
    // A window that was good once stays when the CA's next answer is not.
    CHECK(after <= (kind == 3 ? 20 * day + 12h : 20 * day + 10min));
    CHECK(site.ca->count("newOrder") == 2);
    if (kind == 0 || kind == 4)
        CHECK(site.ca->count("renewalInfo") == 0);
    else
        CHECK(site.ca->count("renewalInfo") <= 4 * 20 + 5);  // every six hours
}

TEST_CASE("the CA that issued a certificate is asked when to renew it, also if another one will, which is not told "
          "what it replaces") {
    const bool reachable = GENERATE(true, false);
    CAPTURE(reachable);
    test::simulated_site site{{}, lifetime(30 * day, true)};
    site.start();
    const auto first = site.cert("a.test");
    site.pass(1 * day);
    const auto issued = first->not_before();
    const auto before = std::move(site.ca);
    site.ca = site.make_ca([](auto& ca) { ca.lifetime = 30 * day; });
    const int polls = before->count("renewalInfo");
    const auto roots = site.folder.path() / "roots.pem";
    std::ofstream{roots} << (reachable ? before->api_root_pem() : "") << site.ca->api_root_pem();
    site.restart([roots](auto& options) { options.http.ca_file = roots.string(); });
    site.pass(1 * day);
    CHECK((before->count("renewalInfo") >= polls + 3) == reachable);
    if (reachable)
        before->renewal_windows(site.clock->wall() - 2h, site.clock->wall() - 1h);
    REQUIRE(site.until(
        [&] { return site.manager->find("a.test") && site.manager->find("a.test")->serial() != first->serial(); },
        30 * day));
    CHECK((site.clock->wall() - issued < 3 * day) == reachable);
    CHECK((site.clock->wall() - issued >= 19 * day) != reachable);
    CHECK(before->count("newOrder") == 1);
    CHECK(site.ca->count("newOrder") == 1);
    CHECK(site.ca->replaced().empty());
}

TEST_CASE("the clock of another CA, which is asked when to renew what it issued, is no reason to doubt ours") {
    test::simulated_site site{{}, lifetime(30 * day, true)};
    site.start();
    site.cert("a.test");
    const auto before = std::move(site.ca);
    site.ca = site.make_ca([&](auto& ca) { ca.clock = site.time.make_clock(); });
    const auto roots = site.folder.path() / "roots.pem";
    std::ofstream{roots} << before->api_root_pem() << site.ca->api_root_pem();
    site.restart([roots](auto& options) { options.http.ca_file = roots.string(); });
    site.ca_clock->step(-2 * day);
    const int polls = before->count("renewalInfo");
    site.pass(1 * day);
    CHECK(before->count("renewalInfo") > polls);
    CHECK(site.heard(event_type::clock_doubted) == 0);
    CHECK(site.cert("b.test"));
}

TEST_CASE("clients for the CAs that issued what is there are kept, but not for ever more of them") {
    const bool too_many = GENERATE(false, true);
    const int cas = static_cast<int>(account_keeper::readers_max) + too_many;
    CAPTURE(cas);
    test::simulated_site site;
    const auto now = site.clock->wall();
    test::authority issuer{now - 10 * day};
    state all{site.ca->directory_url()};
    std::vector<std::unique_ptr<testing::acme_server>> others;
    std::ofstream roots{site.folder.path() / "roots.pem"};
    roots << site.ca->api_root_pem();
    for (int i = 0; i < cas; ++i) {
        const std::vector<identifier> names{*identifier::parse(std::to_string(i) + ".test")};
        const auto issued = issuer.issue(names, {now - 10 * day, now + 80 * day});
        certificate_record record{names, std::make_shared<const held_certificate>(issued), 0.5};
        others.push_back(site.make_ca());
        roots << others.back()->api_root_pem() << std::flush;
        record.directory_url = others.back()->directory_url();
        all.set_certificate(certificate_key(names), record);
    }
    for (const auto& [key, value] : all.items())
        if (key.starts_with("certificates/"))
            site.run(site.store->save(key, boost::json::serialize(value)));
    const auto count = [&](const char* resource) {
        int n = 0;
        for (const auto& other : others)
            n += other->count(resource);
        return n;
    };
    site.restart([&](auto& options) { options.http.ca_file = (site.folder.path() / "roots.pem").string(); });
    site.pass(7h);
    const int polls = count("renewalInfo"), directories = count("directory");
    CHECK(polls >= cas);
    site.pass(13h);
    CHECK(count("renewalInfo") >= polls + 2 * cas);
    CHECK((count("directory") == directories) == !too_many);
}

TEST_CASE("polls share moments and connections") {
    test::simulated_site site{
        [](auto& options) { options.orders = {0s, 1}, options.new_hosts = {0s, 1}, options.order_ceiling = {}; },
        [](auto& ca) { ca.renewal_info_retry_after = "21600"; }};
    site.start();
    for (int i = 0; i < 30; ++i) {
        site.cert("a" + std::to_string(i) + ".test");
        site.pass(12min);  // over all of the time between two polls
    }
    site.pass(6h);
    const int polls = site.ca->count("renewalInfo");
    const int connections = site.net->connections;
    site.pass(24h);
    const int more = site.ca->count("renewalInfo") - polls;
    CHECK(more >= 3 * 30);
    CHECK(more <= 4 * 30);
    // One every 32 minutes.
    CHECK(site.net->connections - connections <= 45);
}

TEST_CASE("the budget for polls holds for many names") {
    test::simulated_site site{
        [](auto& options) {
            options.orders = {0s, 1};
            options.new_hosts = {0s, 1};
            options.order_ceiling = {};
            options.renewal_info_polls = {10s, 5};
        },
        [](auto& ca) { ca.renewal_info_retry_after = "60"; }};
    site.start();
    for (int i = 0; i < 30; ++i)
        site.cert("a" + std::to_string(i) + ".test");
    const int before = site.ca->count("renewalInfo");
    site.pass(1h);
    CHECK(site.ca->count("renewalInfo") - before >= 355);
    CHECK(site.ca->count("renewalInfo") - before <= 365);
    // It has none to spare after a restart either.
    site.restart();
    const int restarted = site.ca->count("renewalInfo");
    site.pass(50s);
    CHECK(site.ca->count("renewalInfo") - restarted <= 6);
}

TEST_CASE("polls that the budget has room for are not written down") {
    test::simulated_site site{{}, [](auto& ca) { ca.renewal_info_retry_after = "3600"; }};
    site.start();
    site.cert("a.test");
    site.pass(10min);
    site.forget_events();
    const int before = site.ca->count("renewalInfo");
    site.pass(12h);
    CHECK(site.ca->count("renewalInfo") - before >= 11);
    CHECK(site.heard(event_type::saved) == 0);
}
