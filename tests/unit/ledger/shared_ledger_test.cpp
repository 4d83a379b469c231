#include <random>

#include "catch.hpp"
#include "ledgers.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;

namespace {

/// A store's shards, which processes save one after the other.
struct shared_shards {
    std::vector<boost::json::object> all = std::vector<boost::json::object>(ledger::shards);

    std::uint64_t token = 0;

    enum class end { saved, failed, saved_unnoticed };
    int save(ledger& book, wall_time now, end how = end::saved) {
        int damaged = 0;
        for (int i = 0; i < ledger::shards; ++i) {
            auto& stored = all[static_cast<std::size_t>(i)];
            damaged += book.merge(i, stored, ++token, now);
            if (how != end::failed)
                stored = boost::json::parse(boost::json::serialize(book.to_json(i))).as_object();
            if (how == end::saved)
                book.saved(i);
        }
        return damaged;
    }
    /// Orders that are paid and have not come back.
    long owed(wall_time now) const {
        const auto& shard = all[static_cast<std::size_t>(shard_of_key("orders"))];
        const auto* full_at = shard.if_contains("orders");
        return full_at ? (wall_time{std::chrono::milliseconds{full_at->get_int64()}} - now) / duration{36s} : 0;
    }
};

}  // namespace

TEST_CASE("what processes that share a store take adds up, whoever saves when") {
    using end = shared_shards::end;
    for (unsigned seed = 1; seed <= 50; ++seed) {
        INFO("seed " << seed);
        std::mt19937 random{seed};
        std::vector<ledger> processes;
        for (int i = 0; i < 3; ++i)
            processes.emplace_back(only(&ca_limits::orders), enough);
        shared_shards store;
        int taken = 0;
        for (int step = 0; step < 200; ++step) {
            auto& one = processes[random() % processes.size()];
            switch (random() % 4) {
            case 0:
            case 1:
                one.ordered(domain(step), newcomer, t0);
                ++taken;
                break;
            case 2: store.save(one, t0); break;
            default: store.save(one, t0, end::failed); break;
            }
            // Seen at the next look if nobody else has saved meanwhile.
            if (step % 17 == 0)
                store.save(one, t0, end::saved_unnoticed), store.save(one, t0, end::failed);
        }
        for (auto& one : processes)
            store.save(one, t0);
        CHECK(store.owed(t0) == taken);
        for (auto& one : processes)
            store.save(one, t0);
        CHECK(store.owed(t0) == taken);
        CHECK(order_all(processes[0], domain, newcomer, t0) == 300 - taken);
    }
}

TEST_CASE("a save that failed but was carried out counts what was taken once, however often it is tried") {
    ledger book{only(&ca_limits::orders), enough};
    shared_shards store;
    for (int i = 0; i < 10; ++i) {
        book.ordered(domain(i), newcomer, t0);
        store.save(book, t0, shared_shards::end::saved_unnoticed);
        store.save(book, t0, shared_shards::end::saved_unnoticed);
        store.save(book, t0, shared_shards::end::failed);
    }
    store.save(book, t0);
    CHECK(store.owed(t0) == 10);
}

TEST_CASE("what is taken while it is being saved is saved the next time") {
    ledger book{only(&ca_limits::orders), enough}, other{only(&ca_limits::orders), enough};
    shared_shards store;
    const auto shard = shard_of_key("orders");
    book.ordered({"a.test"}, newcomer, t0);
    CHECK(book.merge(shard, store.all[static_cast<std::size_t>(shard)], ++store.token, t0) == 0);
    store.all[static_cast<std::size_t>(shard)] = book.to_json(shard);
    book.ordered({"b.test"}, newcomer, t0);
    book.saved(shard);
    other.ordered({"c.test"}, newcomer, t0);
    store.save(other, t0);
    CHECK(store.owed(t0) == 2);
    store.save(book, t0);
    CHECK(store.owed(t0) == 3);
}

TEST_CASE("what one process gives back, others have no more") {
    const auto limits = only(&ca_limits::certificates_per_domain);
    ledger one{limits, enough}, other{limits, enough};
    shared_shards store;
    one.ordered(host(1), newcomer, t0);
    store.save(one, t0);
    other.ordered(host(2), newcomer, t0);
    store.save(other, t0);
    one.not_issued(host(1), newcomer, t0);
    store.save(one, t0);
    CHECK(order_all(one, host, newcomer, t0) == 49);
    other.not_issued(host(2), newcomer, t0);
    ledger next{limits, enough};
    store.save(next, t0);
    CHECK(order_all(next, host, newcomer, t0) == 49);
}

TEST_CASE(
    "what was taken long ago is not added again, and a damaged store closes nothing for longer than an empty bucket") {
    ledger book{only(&ca_limits::orders), enough};
    shared_shards store;
    for (int i = 0; i < 100; ++i)
        book.ordered(domain(i), newcomer, t0);
    const auto later = t0 + 100 * 36s;
    ledger other{only(&ca_limits::orders), enough};
    other.ordered({"a.test"}, newcomer, later);
    store.save(other, later);
    store.save(book, later);
    CHECK(store.owed(later) == 1);
    store.all[static_cast<std::size_t>(shard_of_key("orders"))]["orders"] = std::numeric_limits<std::int64_t>::max();
    store.all[static_cast<std::size_t>(shard_of_key("nonsense"))]["nonsense"] = 5;
    CHECK(store.save(book, later) == 1);
    CHECK(store.owed(later) == 300);
}

TEST_CASE("a ledger that is never saved keeps no more of its own takes than it has buckets") {
    ledger book{lets_encrypt_limits(), 10};
    for (int i = 0; i < 1000; ++i)
        book.ordered(domain(i), newcomer, t0 + i * 100h);
    CHECK(book.size() <= 10);
    shared_shards store;
    store.save(book, t0 + 1000 * 100h);
    std::size_t entries = 0;
    for (const auto& shard : store.all)
        entries += shard.size() - shard.contains("lease");
    CHECK(entries <= 10);
}
