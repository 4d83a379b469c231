#include "catch.hpp"
#include "failure_books.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;

namespace {

/// A store's shards, which processes save one after the other.
struct shared_shards {
    std::vector<boost::json::object> all = std::vector<boost::json::object>(failure_book::shards);

    void save(failure_book& book, wall_time now, bool fails = false) {
        for (int shard = 0; shard < failure_book::shards; ++shard) {
            auto& stored = all[static_cast<std::size_t>(shard)];
            CHECK(book.merge(shard, &stored, now) == 0);
            if (fails)
                continue;
            stored = reparse(book.to_json(shard));
            book.saved(shard);
        }
    }
    bool has(std::string_view key) const {
        return all[static_cast<std::size_t>(failure_book::shard_of(key))].contains(key);
    }
};

}  // namespace

TEST_CASE("processes that share a store keep each other's failures, and of two for a key the later one") {
    failing one, other;
    shared_shards store;
    one.book.remember("a", make_failure(), t0, 0);
    one.book.remember("both", make_failure(failure_class::dns, "the first"), t0, 0);
    store.save(one.book, t0);
    other.book.remember("b", make_failure(), t0, 0);
    other.book.remember("both", make_failure(failure_class::dns, "the later"), t0 + 1s, 0);
    store.save(other.book, t0 + 1s);
    store.save(one.book, t0 + 1s);
    for (auto* each : {&one.book, &other.book})
        for (const auto* key : {"a", "b"})
            CHECK(each->find(key, t0 + 1s));
    CHECK(one.book.find("both", t0 + 1s)->text == "the later");
    CHECK(other.book.find("both", t0 + 1s)->text == "the later");
}

TEST_CASE("a failure that a process forgets after a success is forgotten by the others, too") {
    failing one, other;
    shared_shards store;
    one.book.remember("a", make_failure(), t0, 0);
    store.save(one.book, t0);
    store.save(other.book, t0);
    REQUIRE(other.book.find("a", t0));
    one.book.forget("a");
    store.save(one.book, t0, true);  // fails, and is tried again
    store.save(one.book, t0);
    CHECK_FALSE(store.has("a"));
    other.book.remember("b", make_failure(), t0, 0);
    store.save(other.book, t0);
    CHECK_FALSE(other.book.find("a", t0));
    CHECK_FALSE(store.has("a"));
    CHECK(store.has("b"));
}

TEST_CASE("a failure that is noted while its shard is being saved is not lost, nor one that the store has lost") {
    failing one;
    shared_shards store;
    const auto shard = failure_book::shard_of("key");
    one.fail(t0);
    one.book.merge(shard, nullptr, t0);
    const auto text = one.book.to_json(shard);
    one.book.forget("key");
    one.fail(t0 + 1s);
    one.book.saved(shard);
    store.all[static_cast<std::size_t>(shard)] = {};  // another process forgot the one before
    store.save(one.book, t0 + 1s);
    CHECK(store.has("key"));
    CHECK(one.book.merge(shard, nullptr, t0 + 1s) == 0);
    CHECK(one.book.find("key", t0 + 1s));
    one.book.saved_nowhere();
    store.all[static_cast<std::size_t>(shard)] = {};
    store.save(one.book, t0 + 1s);
    CHECK(store.has("key"));
}
