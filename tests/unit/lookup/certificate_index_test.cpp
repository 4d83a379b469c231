#include "catch.hpp"
#include "certificates.hpp"
#include "lookup/certificate_index.hpp"

using namespace evercert;
using std::chrono::days;

TEST_CASE("a certificate is found by each of its names, and by no other") {
    test::authority ca;
    certificate_index index;
    const auto cert = ca.issue({"a.test", "b.test"});
    index.publish(cert);
    CHECK(index.find("a.test") == cert);
    CHECK(index.find("b.test") == cert);
    CHECK(index.find("c.test") == nullptr);
    CHECK(index.find("www.a.test") == nullptr);
    CHECK(index.size() == 2);
}

TEST_CASE("an exact name goes before the wildcard that covers it, which covers one label") {
    test::authority ca;
    certificate_index index;
    const auto wildcard = ca.issue({"*.a.test"}), exact = ca.issue({"www.a.test"});
    index.publish(wildcard);
    CHECK(index.find("www.a.test") == wildcard);
    CHECK(index.find("deep.www.a.test") == nullptr);
    CHECK(index.find("a.test") == nullptr);
    index.publish(exact);
    CHECK(index.find("www.a.test") == exact);
    CHECK(index.find("other.a.test") == wildcard);
}

TEST_CASE("a certificate that ends earlier never replaces one that ends later") {
    test::authority ca;
    certificate_index index;
    const auto old = ca.issue({"a.test"}, days{30}), renewed = ca.issue({"a.test"}, days{90});
    index.publish(old);
    index.publish(renewed);
    index.publish(old);
    CHECK(index.find("a.test") == renewed);
}

TEST_CASE("after a replacement there is what it has and nothing else, even where that ends earlier") {
    test::authority ca;
    certificate_index index;
    index.publish(ca.issue({"a.test"}, days{90}));
    index.publish(ca.issue({"b.test"}, days{90}));
    const auto older = ca.issue({"a.test"}, days{30}), other = ca.issue({"c.test"});
    index.replace({older, other});
    CHECK(index.find("a.test") == older);
    CHECK(index.find("b.test") == nullptr);
    CHECK(index.find("c.test") == other);
    CHECK(index.size() == 2);
}
