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
void watch(const certificate_index& index, const identifier& name, const std::atomic<bool>& ended, seen& what) {
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
void while_watched(const certificate_index& index, const identifier& name, seen& what, Change change) {
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
