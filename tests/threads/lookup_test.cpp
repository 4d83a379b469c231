#include <atomic>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "certificates.hpp"
#include "lookup/certificate_index.hpp"

using namespace evercert;

namespace {

constexpr int readers = 3;

/// What a reader saw that no reader may see.
struct seen {
    std::atomic<int> missing = 0;
    std::atomic<int> older = 0;
};

/// Looks `name` up until `ended`: it is always there and never goes back in time.
void watch(certificate_index& index, const identifier& name, const std::atomic<bool>& ended, seen& what) {
    wall_time newest = {};
    while (!ended) {
        const auto found = index.find(name);
        if (!found) {
            ++what.missing;
            continue;
        }
        if (found->not_after() < newest)
            ++what.older;
        newest = found->not_after();
    }
}

template <typename Change>
void while_watched(certificate_index& index, const identifier& name, seen& what, Change change) {
    std::atomic<bool> ended = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < readers; ++i)
        threads.emplace_back([&] { watch(index, name, ended, what); });
    change();
    ended = true;
    for (auto& thread : threads)
        thread.join();
}

}  // namespace

TEST_CASE("who looks a name up while its renewals come in any order sees it get newer only") {
    test::authority ca;
    std::vector<certificate_ptr> renewals;
    for (int i = 0; i < 20; ++i)
        renewals.push_back(ca.issue({"a.test", "b.test"}, std::chrono::days{30 + i}));
    certificate_index index;
    index.publish(renewals[0]);
    seen what;
    while_watched(index, "a.test", what, [&] {
        std::thread backwards{[&] {
            for (int i = 19; i > 0; i -= 2)
                index.publish(renewals[static_cast<std::size_t>(i)]);
        }};
        for (int i = 0; i < 20; i += 2)
            index.publish(renewals[static_cast<std::size_t>(i)]);
        backwards.join();
    });
    CHECK(what.missing == 0);
    CHECK(what.older == 0);
    CHECK(index.find("a.test") == renewals[19]);
}

TEST_CASE("who looks a name up while everything is replaced never misses it") {
    test::authority ca;
    const auto cert = ca.issue({"a.test"}), other = ca.issue({"b.test"});
    certificate_index index;
    index.publish(cert);
    seen what;
    while_watched(index, "a.test", what, [&] {
        for (int i = 0; i < 2'000; ++i)
            index.replace({cert, other});
    });
    CHECK(what.missing == 0);
}

TEST_CASE("more certificates than may be parsed are looked up, replaced and removed in several threads") {
    test::authority ca;
    constexpr std::size_t names = 12, parsed_max = 3;
    std::vector<identifier> hosts;
    std::vector<held_ptr> all;
    for (std::size_t i = 0; i < names; ++i) {
        hosts.emplace_back("n" + std::to_string(i) + ".test");
        const held_certificate warm{ca.issue({hosts.back()})};
        all.push_back(std::make_shared<const held_certificate>(
            warm.chain_pem(), warm.key_pem(), warm.names(), warm.not_before(), warm.not_after()));
    }
    certificate_index index{parsed_max};
    index.replace(all);
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < readers; ++t)
        threads.emplace_back([&, t] {
            for (std::size_t i = 0; i < 300; ++i) {
                // The last name comes and goes.
                const auto& host = hosts[(i * (t + 1)) % (names - 1)];
                const auto found = index.find(host);
                if (!found || !found->covers(host))
                    ++wrong;
                index.find(hosts.back());
            }
        });
    for (int i = 0; i < 50; ++i) {
        index.remove(all.back());
        index.put_back(all.back(), all.back());
        index.replace(all);
    }
    for (auto& thread : threads)
        thread.join();
    CHECK(wrong == 0);
    CHECK(index.size() == names);
    CHECK(index.parsed() <= parsed_max);
}

TEST_CASE("threads that look a damaged certificate up at once tell of it once") {
    test::authority ca;
    const held_certificate other{ca.issue({"b.test"})};
    std::atomic<int> told = 0;
    certificate_index index{8, [&](const held_ptr&, const error&) { ++told; }};
    for (int round = 1; round <= 20; ++round) {
        index.publish(std::make_shared<const held_certificate>(
            other.chain_pem(), other.key_pem(), std::vector<identifier>{"a.test"}, other.not_before(),
            other.not_after()));
        std::vector<std::thread> threads;
        for (int t = 0; t < readers; ++t)
            threads.emplace_back([&] { index.find("a.test"); });
        for (auto& thread : threads)
            thread.join();
        CHECK(told == round);
    }
}
