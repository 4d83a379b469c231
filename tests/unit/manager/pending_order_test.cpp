#include <boost/json.hpp>

#include "catch.hpp"
#include "local_site.hpp"
#include "manager/state.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

/// The site's state with a pending order for b.test, at this URL and with a key of its own.
std::string with_pending_order(test::local_site& site, const std::string& url) {
    auto items = read_document(site.manager->marshal());
    const pending_order pending{site.ca->directory_url(), url, private_key::generate(), system_clock()->wall()};
    items["orders/b.test"] = to_json(pending);
    return write_document(items);
}

std::string origin_of(const test::local_site& site) {
    const auto url = site.ca->directory_url();
    return url.substr(0, url.rfind('/'));
}

/// For longer than the client forgives.
void fail_downloads(test::local_site& site) {
    for (int i = 0; i < 4; ++i)
        site.ca->fail_next("certificate", 503, "serverInternal", "come back later");
}

}  // namespace

TEST_CASE("a pending order that has a certificate for another key, or is gone, is dropped and ordered anew") {
    const auto path = GENERATE("/order/1", "/order/999");
    test::local_site site;
    site.start();
    site.run(site.manager->cert("a.test"));
    site.manager->unmarshal(with_pending_order(site, origin_of(site) + path));
    CHECK(site.run(site.manager->cert("b.test"))->covers("b.test"));
    CHECK(site.ca->count("newOrder") == 2);
    site.manager->stop();
    site.run(site.serving->join());
    CHECK(site.manager->marshal().find("orders/b.test") == std::string::npos);
}

TEST_CASE("a pending order is kept while the CA is down, and used when it is back") {
    test::local_site site;
    site.start();
    site.run(site.manager->cert("a.test"));
    site.manager->unmarshal(with_pending_order(site, origin_of(site) + "/order/1"));
    site.ca->fail_next("order", 503, "serverInternal", "come back later");
    CHECK_THROWS_WITH(site.run(site.manager->cert("b.test")), Catch::Matchers::ContainsSubstring("come back later"));
    CHECK(site.manager->marshal().find("orders/b.test") != std::string::npos);
    CHECK(site.ca->count("newOrder") == 1);
    CHECK(site.run(site.manager->cert("b.test"))->covers("b.test"));
}

TEST_CASE(
    "a certificate that the CA has issued and does not hand out for hours is fetched later and not ordered again") {
    test::local_site site;
    site.start();
    fail_downloads(site);
    CHECK_THROWS_WITH(site.run(site.manager->cert("a.test")), Catch::Matchers::ContainsSubstring("come back later"));
    auto items = read_document(site.manager->marshal());
    auto pending = read_pending(items.at("orders/a.test"));
    const auto [ago, orders] = GENERATE(table<duration, int>({{5h, 1}, {25h, 2}}));
    pending.at -= ago;
    items["orders/a.test"] = to_json(pending);
    site.manager->unmarshal(write_document(items));
    fail_downloads(site);
    if (orders == 1)
        CHECK_THROWS_WITH(
            site.run(site.manager->cert("a.test")), Catch::Matchers::ContainsSubstring("come back later"));
    CHECK(site.run(site.manager->cert("a.test"))->covers("a.test"));
    CHECK(site.ca->count("newOrder") == orders);
}

TEST_CASE("an order that nobody looks for any longer counts as if the CA had issued until then") {
    test::local_site site{[](auto& options) {
        options.renewal_info = false;  // which would make the next order exempt
        options.limits = lets_encrypt_limits();
        options.limits->certificates_per_name_set = {2, std::chrono::days{7}};
    }};
    site.start();
    site.run(site.manager->cert("a.test"));
    // What was taken when it was ordered has come back since.
    site.manager->unmarshal(with_pending_order(site, origin_of(site) + "/order/999"));
    CHECK(site.manager->can_issue({identifier{"b.test"}}).now);
    CHECK(site.run(site.manager->cert("b.test"))->covers("b.test"));
    const auto another = site.manager->can_issue({identifier{"b.test"}});
    CHECK_FALSE(another.now);
    CHECK(another.because.find("certificates_per_name_set") != std::string::npos);
}
