#include <evercert/store.hpp>

#include "catch.hpp"
#include "ledgers.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using std::chrono::days;

TEST_CASE("beyond its bound the ledger forgets the bucket that is full first") {
    ledger book{only(&ca_limits::failed_authorizations), 2};
    book.failed({"a.test"}, t0);
    for (int i = 0; i < 5; ++i)
        book.failed({"b.test"}, t0);
    book.failed({"c.test"}, t0 + 1s);
    CHECK(book.size() == 2);
    CHECK_FALSE(book.can_issue({"b.test"}, newcomer, t0 + 1s).now);
}

TEST_CASE("beyond its bound the ledger keeps what it counts for the account") {
    ledger book{lets_encrypt_limits(), 10};
    CHECK(book.can_register(t0).now);
    book.account_created(t0);
    for (int i = 0; i < 240; ++i)
        book.ordered(domain(i), newcomer, t0);
    CHECK(book.size() == 10);
    const auto refused = book.can_issue({"new.test"}, newcomer, t0);
    CHECK_FALSE(refused.now);
    CHECK_THAT(refused.because, ContainsSubstring("limit orders"));
    for (int i = 0; i < 9; ++i)
        book.account_created(t0);
    CHECK_FALSE(book.can_register(t0).now);
}

TEST_CASE("a ledger that was saved and read knows the same") {
    ledger book{lets_encrypt_limits(), enough};
    CHECK(order_all(book, host, newcomer, t0) == 40);
    book.failed({"a.test"}, t0);
    book.account_created(t0);
    ledger copy{lets_encrypt_limits(), enough};
    CHECK(read_all(copy, shards_of(book), t0 + 1s) == 0);
    CHECK(copy.size() == book.size());
    CHECK(copy.take_changed().none());
    const auto before = book.can_issue(host(100), newcomer, t0 + 1s);
    const auto after = copy.can_issue(host(100), newcomer, t0 + 1s);
    CHECK(after.because == before.because);
    CHECK(after.not_before - before.not_before < 1ms);
}

TEST_CASE("one change rewrites the shards of its own buckets alone") {
    ledger book{lets_encrypt_limits(), enough};
    book.ordered({"a.test"}, newcomer, t0);
    const auto changed = book.take_changed();
    CHECK((changed.count() >= 1 && changed.count() <= 3));
    for (int i = 0; i < ledger::shards; ++i)
        CHECK(book.to_json(i).empty() == !changed.test(static_cast<std::size_t>(i)));
    book.failed({"a.test"}, t0);
    CHECK(book.take_changed().count() == 1);
}

TEST_CASE(
    "of two buckets the one with the larger debt is kept, and what was taken before the store was read is added") {
    ledger one{only(&ca_limits::orders), enough}, other{only(&ca_limits::orders), enough};
    for (int i = 0; i < 100; ++i)
        one.ordered(domain(i), newcomer, t0);
    const auto first = shards_of(one);
    for (int i = 0; i < 50; ++i)
        one.ordered(domain(i), newcomer, t0);
    CHECK(read_all(other, shards_of(one), t0) == 0);
    CHECK(read_all(other, first, t0) == 0);
    CHECK(order_all(other, domain, newcomer, t0) == 150);
    ledger early{only(&ca_limits::orders), enough};
    early.ordered({"a.test"}, newcomer, t0);
    CHECK(read_all(early, first, t0) == 0);
    CHECK(read_all(early, first, t0) == 0);
    CHECK(order_all(early, domain, newcomer, t0) == 199);
}

TEST_CASE("a damaged ledger never closes a limit for longer than an empty bucket") {
    const auto key_shard = [](const char* key) { return static_cast<std::size_t>(shard_of_key(key)); };
    std::vector<boost::json::object> shards(ledger::shards);
    shards[key_shard("orders")]["orders"] = std::numeric_limits<std::int64_t>::max();
    shards[key_shard("failed/a.test")]["failed/a.test"] = std::numeric_limits<std::int64_t>::min();
    shards[key_shard("domain/b.test")]["domain/b.test"] = "soon";
    shards[key_shard("nonsense")]["nonsense"] = 5;
    shards[(key_shard("accounts") + 1) % ledger::shards]["accounts"] = std::numeric_limits<std::int64_t>::max();
    ledger book{lets_encrypt_limits(), enough};
    CHECK(read_all(book, shards, t0) == 3);
    CHECK(book.can_issue({"a.test"}, renewal, t0).not_before == t0 + 36s);
    CHECK(book.can_register(t0).now);
    CHECK(book.size() == 1);
    ledger unlimited{ca_limits{}, enough};
    read_all(unlimited, shards, t0);
    CHECK(unlimited.size() == 0);
}

TEST_CASE("limits out of range are brought into it") {
    ca_limits limits;
    limits.orders = {std::numeric_limits<int>::max(), std::chrono::seconds::max()};
    limits.accounts = {-1, std::chrono::seconds::min()};
    limits.failed_authorizations = {5, std::chrono::seconds{-1}};
    ledger book{limits, enough};
    book.ordered({"a.test"}, newcomer, t0);
    book.failed({"a.test"}, t0);
    book.account_created(t0);
    CHECK(book.can_issue({"a.test"}, newcomer, t0).now);
    CHECK(book.can_register(t0).now);
}

TEST_CASE("a clock that steps back leaves at most an empty bucket") {
    ledger book{only(&ca_limits::orders), enough};
    CHECK(order_all(book, domain, newcomer, t0) == 300);
    const auto past = t0 - days{9000};
    const auto refused = book.can_issue({"a.test"}, newcomer, past);
    CHECK(refused.not_before == past + 36s);
    CHECK(book.can_issue({"a.test"}, newcomer, past + 36s).now);
    CHECK(order_all(book, domain, newcomer, past + 3h) == 300);
    CHECK(order_all(book, domain, newcomer, t0 + 1h) == 300);
}

TEST_CASE("no shard of the ledger has more text than a store takes, however many names there may be") {
    ledger book{only(&ca_limits::failed_authorizations), 10'000'000};
    const std::string tail =
        "." + std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + ".test";
    const auto name = [&](int i) { return "x" + std::to_string(i) + tail; };
    int in_shard = 0;
    for (int i = 0; in_shard < 6000; ++i) {
        if (shard_of_key("failed/" + name(i)) != 0)
            continue;
        book.failed({identifier{name(i)}}, t0);
        ++in_shard;
    }
    CHECK(book.size() < 6000);
    const auto size = boost::json::serialize(book.to_json(0)).size();
    CHECK(size <= store::value_max);
    CHECK(size > 900'000);
}
