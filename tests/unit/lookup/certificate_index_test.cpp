#include <algorithm>

#include "catch.hpp"
#include "certificates.hpp"
#include "lookup/certificate_index.hpp"

using namespace evercert;
using std::chrono::days;

namespace {

/// As a store would give it back.
held_ptr cold(const certificate_ptr& cert) {
    return std::make_shared<const held_certificate>(
        cert->chain_pem(), cert->key().to_pem(), cert->names(), cert->not_before(), cert->not_after());
}

/// Cold, and another certificate than its record says.
held_ptr damaged(test::authority& ca, std::vector<identifier> names, days lifetime = days{90}) {
    const auto other = ca.issue({"another.test"}, lifetime);
    return std::make_shared<const held_certificate>(
        other->chain_pem(), other->key().to_pem(), std::move(names), other->not_before(), other->not_after());
}

struct damage_seen {
    std::vector<held_ptr> certificates;
    std::vector<std::string> texts;

    certificate_index::damage_handler handler() {
        return [this](const held_ptr& cert, const error& e) {
            certificates.push_back(cert);
            texts.emplace_back(e.what());
        };
    }
};

}  // namespace

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

TEST_CASE("a renewal replaces what it renews even if that ends later, and no certificate of other names") {
    using namespace std::chrono;
    test::authority ca;
    certificate_index index;
    const auto begin = time_point_cast<wall_time::duration>(sys_days{2026y / 1 / 1});
    const auto lasting = [&](std::vector<identifier> names, wall_time from, days length) {
        return ca.issue(std::move(names), {from, from + length});
    };
    const auto revoked = lasting({"a.test", "b.test"}, begin, days{90});
    const auto renewed = lasting({"b.test", "a.test"}, begin + days{10}, days{6});
    const auto other = lasting({"b.test"}, begin + days{11}, days{4});
    index.publish(revoked);
    index.publish(renewed);
    index.publish(revoked);
    index.publish(other);
    CHECK(index.find("a.test") == renewed);
    CHECK(index.find("b.test") == renewed);
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

TEST_CASE("a cold certificate is parsed when it is looked up, and stays so") {
    test::authority ca;
    certificate_index index;
    const auto held = cold(ca.issue({"a.test", "*.a.test"}));
    index.publish(held);
    CHECK(index.find_held("a.test") == held);
    CHECK(index.find_held("www.a.test") == held);
    CHECK(index.find_held("b.test") == nullptr);
    CHECK(held->if_parsed() == nullptr);
    CHECK(index.parsed() == 0);
    const auto found = index.find("www.a.test");
    REQUIRE(found);
    CHECK(found == held->if_parsed());
    CHECK(index.find("a.test") == found);
    CHECK(index.parsed() == 1);
}

TEST_CASE("at most so many certificates are kept parsed, and who has one keeps it") {
    test::authority ca;
    certificate_index index{2};
    std::vector<held_ptr> all;
    for (const auto* name : {"a.test", "b.test", "c.test"})
        all.push_back(cold(ca.issue({name})));
    index.replace(all);
    const auto first = index.find("a.test");
    index.find("b.test");
    index.find("c.test");
    CHECK(index.parsed() == 2);
    CHECK(std::ranges::count_if(all, [](const held_ptr& held) { return held->if_parsed() != nullptr; }) == 2);
    CHECK(first->covers("a.test"));
    const auto again = index.find("a.test");
    REQUIRE(again);
    CHECK(again->chain_pem() == first->chain_pem());
    CHECK(index.parsed() == 2);
}

TEST_CASE("the popular certificate stays parsed while others come and go") {
    test::authority ca;
    certificate_index index{3};
    index.publish(cold(ca.issue({"popular.test"})));
    for (int i = 0; i < 20; ++i)
        index.publish(cold(ca.issue({"n" + std::to_string(i) + ".test"})));
    const auto popular = index.find("popular.test");
    for (int i = 0; i < 20; ++i) {
        CHECK(index.find("popular.test") == popular);
        CHECK(index.find("n" + std::to_string(i) + ".test"));
    }
    CHECK(index.parsed() == 3);
}

TEST_CASE("certificates that are published parsed count as well") {
    test::authority ca;
    certificate_index index{2};
    std::vector<held_ptr> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(std::make_shared<const held_certificate>(ca.issue({"n" + std::to_string(i) + ".test"})));
        index.publish(all.back());
    }
    CHECK(index.parsed() == 2);
    CHECK(all.back()->if_parsed());
    CHECK(std::ranges::count_if(all, [](const held_ptr& held) { return held->if_parsed() != nullptr; }) == 2);
    index.replace(all);
    CHECK(index.parsed() == 2);
}

TEST_CASE("a certificate that is published again is there once") {
    test::authority ca;
    certificate_index index;
    const auto held = cold(ca.issue({"a.test", "b.test"}));
    index.publish(held);
    const auto found = index.find("a.test");
    index.publish(held);
    CHECK(index.find("b.test") == found);
    CHECK(index.size() == 2);
    CHECK(index.parsed() == 1);
}

TEST_CASE("a damaged certificate is told once and then as if it had never been there") {
    test::authority ca;
    damage_seen seen;
    certificate_index index{8, seen.handler()};
    const auto bad = damaged(ca, {"a.test", "b.test"});
    index.publish(bad);
    CHECK(index.find("a.test") == nullptr);
    CHECK(index.find("a.test") == nullptr);
    CHECK(index.find("b.test") == nullptr);
    CHECK(index.size() == 0);
    REQUIRE(seen.certificates.size() == 1);
    CHECK(seen.certificates.front() == bad);
    CHECK(seen.texts.front().find("another.test") != std::string::npos);
}

TEST_CASE("where a certificate is damaged, the wildcard that covers the name is served") {
    test::authority ca;
    damage_seen seen;
    certificate_index index{8, seen.handler()};
    const auto wildcard = ca.issue({"*.a.test"});
    index.publish(cold(wildcard));
    index.publish(damaged(ca, {"www.a.test"}));
    const auto found = index.find("www.a.test");
    REQUIRE(found);
    CHECK(found->chain_pem() == wildcard->chain_pem());
    CHECK(seen.certificates.size() == 1);
}

TEST_CASE("who is told of damage may publish another certificate, which is found at once") {
    test::authority ca;
    const auto good = cold(ca.issue({"a.test"}));
    certificate_index* at = nullptr;
    certificate_index index{8, [&](const held_ptr&, const error&) { at->publish(good); }};
    at = &index;
    index.publish(damaged(ca, {"a.test"}));
    const auto found = index.find("a.test");
    CHECK(found);
    CHECK(found == good->if_parsed());
}

TEST_CASE("an older certificate can be put back in the place of a newer one") {
    test::authority ca;
    certificate_index index;
    const auto old = cold(ca.issue({"a.test", "b.test"}, days{30}));
    const auto renewed = cold(ca.issue({"a.test", "b.test", "c.test"}, days{90}));
    index.publish(old);
    index.publish(renewed);
    index.put_back(old, renewed);
    CHECK(index.find_held("a.test") == old);
    CHECK(index.find_held("b.test") == old);
    CHECK(index.find_held("c.test") == nullptr);
    CHECK_FALSE(index.remove(renewed));
}

TEST_CASE("what is put back replaces the failed certificate and no other that is good for longer") {
    test::authority ca;
    certificate_index index;
    const auto old = cold(ca.issue({"a.test", "b.test"}, days{30}));
    const auto renewed = cold(ca.issue({"a.test", "b.test"}, days{90}));
    const auto other = cold(ca.issue({"b.test", "c.test"}, days{100}));
    index.publish(old);
    index.publish(renewed);
    index.publish(other);
    index.put_back(old, renewed);
    CHECK(index.find_held("a.test") == old);
    CHECK(index.find_held("b.test") == other);
    CHECK(index.find_held("c.test") == other);
}

TEST_CASE("a certificate that is removed is not served, and the names that others have stay") {
    test::authority ca;
    certificate_index index;
    const auto one = cold(ca.issue({"a.test", "b.test"}, days{30})), other = cold(ca.issue({"b.test"}, days{90}));
    index.publish(one);
    index.publish(other);
    index.find("a.test");
    CHECK(index.remove(one));
    CHECK_FALSE(index.remove(one));
    CHECK(index.find("a.test") == nullptr);
    CHECK(index.find_held("b.test") == other);
    CHECK(index.size() == 1);
    CHECK(index.parsed() == 0);
}

TEST_CASE("a certificate that every name has got a newer one for is let go") {
    test::authority ca;
    certificate_index index;
    auto old = cold(ca.issue({"a.test", "b.test"}, days{30}));
    index.publish(old);
    index.find("a.test");
    const std::weak_ptr<const held_certificate> watched = old;
    old.reset();
    index.publish(cold(ca.issue({"a.test"}, days{60})));
    CHECK_FALSE(watched.expired());
    index.publish(cold(ca.issue({"b.test"}, days{60})));
    CHECK(watched.expired());
    CHECK(index.parsed() == 0);
    CHECK(index.find("a.test"));
    CHECK(index.find("b.test"));
}

TEST_CASE("how often a certificate is asked for is known, halves each day, and goes on with the one that replaces it") {
    test::authority ca;
    certificate_index index;
    const auto first = cold(ca.issue({"a.test", "*.a.test"}));
    const auto other = cold(ca.issue({"b.test"}));
    index.publish(first);
    index.publish(other);
    for (int i = 0; i < 6; ++i)
        index.find("a.test");
    index.find("www.a.test");
    index.find("www.a.test");
    CHECK(index.asked(*first) == 8);
    CHECK(index.asked(*other) == 0);
    index.next_day();
    CHECK(index.asked(*first) == 4);

    const auto second = cold(ca.issue({"a.test", "*.a.test"}, days{100}));
    CHECK(index.asked(*second) == 0);
    index.publish(second);
    CHECK(index.asked(*second) == 4);
    CHECK(index.asked(*first) == 0);

    const auto third = cold(ca.issue({"a.test", "*.a.test"}, days{110}));
    index.replace({third, other});
    CHECK(index.asked(*third) == 4);
    CHECK(index.asked(*other) == 0);
}
