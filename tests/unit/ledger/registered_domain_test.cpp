#include <thread>

#include <evercert/acme/client.hpp>
#include <evercert/ca_limits.hpp>

#include "catch.hpp"
#include "ledger/registered_domain.hpp"

using namespace evercert;

TEST_CASE("a name's registered domain is what stands below its public suffix") {
    CHECK(registered_domain("example.com") == "example.com");
    CHECK(registered_domain("www.example.com") == "example.com");
    CHECK(registered_domain("a.b.c.example.co.uk") == "example.co.uk");
    CHECK(registered_domain("*.example.co.uk") == "example.co.uk");
    CHECK(registered_domain("*.www.example.com") == "example.com");
    CHECK(registered_domain("WWW.Example.COM.") == "example.com");
    CHECK(registered_domain("a.user.github.io") == "user.github.io");
    CHECK(registered_domain("www.xn--85x722f.xn--55qx5d.cn") == "xn--85x722f.xn--55qx5d.cn");
    CHECK(registered_domain("a.b.nosuchtld") == "b.nosuchtld");
}

TEST_CASE("a public suffix is its own registered domain") {
    CHECK(registered_domain("co.uk") == "co.uk");
    CHECK(registered_domain("*.co.uk") == "co.uk");
    CHECK(registered_domain("github.io") == "github.io");
}

TEST_CASE("an IPv4 address stands for itself and an IPv6 address for its /64") {
    CHECK(registered_domain("192.0.2.1") == "192.0.2.1");
    CHECK(registered_domain("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64");
    CHECK(registered_domain("2001:db8:1:2::9") == "2001:db8:1:2::/64");
    CHECK(registered_domain("2001:db8:1:3::9") == "2001:db8:1:3::/64");
}

TEST_CASE("the list of suffixes is loaded once, from any thread") {
    std::vector<std::thread> threads;
    std::vector<std::string> found(4);
    for (auto& one : found)
        threads.emplace_back([&one] { one = registered_domain("www.example.co.uk"); });
    for (auto& one : threads)
        one.join();
    CHECK(found == std::vector<std::string>(4, "example.co.uk"));
}

TEST_CASE("the limits of Let's Encrypt are known for its directories, and none for any other") {
    for (const auto url : {acme::lets_encrypt, acme::lets_encrypt_staging}) {
        const auto limits = known_limits(url);
        CHECK(limits.orders.count == 300);
        CHECK(limits.certificates_per_domain.window == std::chrono::days{7});
        CHECK(limits.replacements_exempt);
    }
    for (const auto* url :
         {"https://ca.test/directory", "https://acme-v02.api.letsencrypt.org.evil.test/directory",
          "https://ca.test/acme-v02.api.letsencrypt.org", "http://acme-v02.api.letsencrypt.org/directory", ""}) {
        INFO(url);
        CHECK(known_limits(url).orders.count == 0);
        CHECK_FALSE(known_limits(url).replacements_exempt);
    }
}
