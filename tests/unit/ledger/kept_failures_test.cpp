#include <algorithm>

#include <evercert/store.hpp>

#include "base/wall_time.hpp"
#include "catch.hpp"
#include "failure_books.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using std::chrono::days;

TEST_CASE("keys stand in the same shard in every version") {
    CHECK(failure_book::shard_of("") == 4);
    CHECK(failure_book::shard_of("certificates/example.com") == 14);
    std::array<int, failure_book::shards> counts{};
    for (int i = 0; i < 1600; ++i)
        ++counts[static_cast<std::size_t>(failure_book::shard_of("certificates/host" + std::to_string(i) + ".test"))];
    for (const auto count : counts)
        CHECK((count > 50 && count < 150));
}

TEST_CASE("a book that was saved and read is the same book") {
    failing f;
    problem said;
    said.type = "urn:ietf:params:acme:error:rateLimited";
    said.status = 429;
    f.book.remember("a", thrown(error{errc::rate_limited, "text with … and \"quotes\"", said, 7200s}), t0, 0.3);
    f.book.remember("b", thrown(std::runtime_error{"line\nline\xff"}), t0 + 1s, 0.5);
    f.book.remember("b", make_failure(), t0 + 90s, 0.5);
    const auto copy = copy_of(f.book, t0 + 2min);
    CHECK(copy.size() == 2);
    for (const auto* key : {"a", "b"}) {
        const auto& before = *f.book.last(key);
        const auto& after = *copy.last(key);
        CHECK(after.kind == before.kind);
        CHECK(after.text == before.text);
        CHECK(after.code == before.code);
        CHECK(after.problem_type == before.problem_type);
        CHECK(after.problem_status == before.problem_status);
        CHECK(after.failures == before.failures);
        CHECK(after.at == before.at);
        CHECK(after.retry_at - before.retry_at < 1ms);
        CHECK(after.ordered() == before.ordered());
    }
}

TEST_CASE("texts are one printable line of UTF-8 within a bound, whatever was thrown") {
    failing f;
    f.book.remember("a", thrown(std::runtime_error{"two\nlines\x1b[0m \xc3\xa4"}), t0, 0);
    CHECK(f.book.last("a")->text == "two lines [0m \xc3\xa4");
    f.book.remember("b", thrown(std::runtime_error{"latin \xe4"}), t0, 0);
    CHECK(f.book.last("b")->text == "latin ?");
    std::string long_text;
    for (int i = 0; i < 5000; ++i)
        long_text += "\xc3\xa4";
    f.book.remember("c", thrown(std::runtime_error{long_text}), t0, 0);
    CHECK(f.book.last("c")->text.size() <= failure_text_size_max);
    CHECK(f.book.last("c")->text.ends_with("…"));
    CHECK(copy_of(f.book, t0).size() == 3);
}

TEST_CASE("what ended before it was read is left out, and of two records the later failure stays") {
    failing f;
    f.book.remember("key", make_failure(failure_class::connection, "earlier"), t0, 0);
    CHECK(copy_of(f.book, t0 + 25h).size() == 0);
    failure_book later{enough, retry_options{}};
    later.remember("key", make_failure(failure_class::dns, "later"), t0 + 1min, 0);
    const int shard = failure_book::shard_of("key");
    later.take_changed();
    CHECK(later.read(shard, f.book.to_json(shard), t0 + 1min) == 0);
    CHECK(later.last("key")->text == "later");
    f.book.read(shard, later.to_json(shard), t0 + 1min);
    CHECK(f.book.last("key")->text == "later");
    CHECK(later.take_changed().none());
}

TEST_CASE("damaged records are left out and the others kept") {
    failing f;
    f.book.remember("key", make_failure(), t0, 0);
    const int shard = failure_book::shard_of("key");
    const auto good = f.book.to_json(shard);
    const auto with = [&](std::string_view member, boost::json::value value) {
        auto object = good;
        object["key"].as_object()[member] = std::move(value);
        return object;
    };
    const std::vector<boost::json::object> damaged{
        {{"key", 1}},
        {{"key", nullptr}},
        {{"key", boost::json::object{}}},
        with("class", "nonsense"),
        with("class", "cancelled"),
        with("class", 5),
        with("text", 5),
        with("text", boost::json::string(10'000, 'x')),
        with("text", "two\nlines"),
        with("code", boost::json::array{}),
        with("at_ms", "yesterday"),
        with("retry_at_ms", 1.5),
        with("problem_type", boost::json::string(1000, 'x')),
    };
    for (const auto& object : damaged) {
        INFO(boost::json::serialize(object));
        failure_book book{enough, retry_options{}};
        CHECK(book.read(shard, object, t0) == 1);
        CHECK(book.size() == 0);
    }
    failure_book book{enough, retry_options{}};
    CHECK(book.read((shard + 1) % failure_book::shards, good, t0) == 1);
    CHECK(book.size() == 0);
}

TEST_CASE("damaged times and counts are brought within bounds") {
    failing f;
    f.book.remember("key", make_failure(), t0, 0);
    const int shard = failure_book::shard_of("key");
    const auto read_with = [&](std::string_view member, std::int64_t value) {
        auto object = f.book.to_json(shard);
        object["key"].as_object()[member] = value;
        failure_book book{enough, retry_options{}};
        CHECK(book.read(shard, object, t0) == 0);
        REQUIRE(book.last("key"));
        return *book.last("key");
    };
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    CHECK(read_with("retry_at_ms", most).retry_at <= t0 + days{35});
    CHECK(read_with("retry_at_ms", least).retry_at == t0);
    CHECK(read_with("failures", most).failures <= 1'000'000);
    CHECK(read_with("failures", least).failures == 1);
    CHECK(read_with("problem_status", most).problem_status == 999);
    const auto ordered = read_with("ordered_until_ms", most);
    CHECK(ordered.ordered_until == ordered.retry_at);
    const auto future = read_with("at_ms", most);
    CHECK(future.at == t0);
    CHECK(future.retry_at <= t0 + days{35});
    auto object = f.book.to_json(shard);
    object["key"].as_object()["at_ms"] = least;
    failure_book book{enough, retry_options{}};
    CHECK(book.read(shard, object, t0) == 0);
    CHECK_FALSE(book.find("key", t0));
}

TEST_CASE("a clock that steps back a little makes a record last a little longer, one that steps back far frees it") {
    failing f;
    f.fail(t0);
    CHECK(f.book.find("key", t0 - 1h));
    CHECK_FALSE(f.book.find("key", t0 - days{400}));
}

TEST_CASE("after a step back records from the future begin now, by themselves or when the book is told") {
    failing f;
    f.book.remember("key", make_failure(failure_class::caa), t0, 0, 7200s);
    const auto past = t0 - days{400};
    f.book.clock_stepped(past);
    REQUIRE(f.book.find("key", past));
    CHECK(f.book.last("key")->retry_at == past + 2h);
    CHECK(f.book.last("key")->ordered_until == past + 2h);
    CHECK(f.book.take_changed().test(static_cast<std::size_t>(failure_book::shard_of("key"))));

    failing g;
    g.fail(t0);
    g.book.remember("other", make_failure(), past, 0);
    CHECK(g.book.last("key")->retry_at == past + 5min);
    CHECK(g.book.find("key", past));
    g.book.remember("other", make_failure(), past + 25h, 0);
    CHECK_FALSE(g.book.last("key"));
}

TEST_CASE(
    "a refusal lasts as long as it was told, within the bound of its class, and stands under its key's beginning") {
    failing f;
    f.book.refuse("admission/a.test", make_failure(failure_class::name_refused), t0, t0 + 1h);
    f.book.refuse("admission/b.test", make_failure(failure_class::name_refused), t0, wall_time::max());
    CHECK(f.book.find("admission/a.test", t0 + 1h - 1s));
    CHECK_FALSE(f.book.find("admission/a.test", t0 + 1h));
    CHECK(f.book.last("admission/b.test")->retry_at <= t0 + days{35});
    auto keys = f.book.keys("admission/");
    std::sort(keys.begin(), keys.end());
    CHECK(keys == std::vector<std::string>{"a.test", "b.test"});
    f.book.remember("other", make_failure(), t0 + 1h, 0);
    CHECK_FALSE(f.book.last("admission/a.test"));
    CHECK(f.book.keys("nothing/").empty());
}

TEST_CASE("what another account was told is forgotten, and what was told before there was one stays") {
    failing f;
    f.book.remember("before", make_failure(), t0, 0);
    f.book.set_account("one");
    f.book.remember("first", make_failure(), t0, 0);
    f.book.refuse("refused", make_failure(), t0, t0 + 1h);
    CHECK(f.book.last("before"));
    const auto saved = copy_of(f.book, t0);
    CHECK(saved.last("first")->account == "one");

    f.book.set_account("one");
    CHECK(f.book.size() == 3);
    f.book.take_changed();
    f.book.set_account("two");
    CHECK(f.book.size() == 1);
    CHECK(f.book.last("before"));
    CHECK(f.book.take_changed().test(static_cast<std::size_t>(failure_book::shard_of("first"))));

    for (int shard = 0; shard < failure_book::shards; ++shard)
        CHECK(f.book.read(shard, reparse(saved.to_json(shard)), t0) == 0);
    CHECK(f.book.size() == 1);
    f.book.set_account("one");
    for (int shard = 0; shard < failure_book::shards; ++shard)
        f.book.read(shard, reparse(saved.to_json(shard)), t0);
    CHECK(f.book.size() == 3);
}

TEST_CASE("a set's failure has its names, is found by each of them, and is saved with them") {
    failing f;
    const std::vector<identifier> names{"a.test", "*.b.test"};
    f.book.note_names("set", names);
    CHECK_FALSE(f.book.last("set"));
    f.book.remember("set", make_failure(), t0, 0);
    f.book.note_names("set", names);
    f.book.remember("one", make_failure(), t0, 0);
    f.book.note_names("one", {"a.test"});
    CHECK(f.book.last("one")->names.empty());
    const auto copy = copy_of(f.book, t0);
    for (const auto* book : std::initializer_list<const failure_book*>{&f.book, &copy}) {
        CHECK(book->last("set")->names == names);
        CHECK(book->keys_with("a.test") == std::vector<std::string>{"set"});
        CHECK(book->keys_with("*.b.test") == std::vector<std::string>{"set"});
        CHECK(book->keys_with("b.test").empty());
    }
    f.book.remember("set", make_failure(), t0 + 1h, 0);
    f.book.note_names("set", names);
    CHECK(f.book.last("set")->failures == 2);
}

TEST_CASE("a record whose names are no names, or too many, is damaged") {
    failing f;
    f.book.remember("set", make_failure(), t0, 0);
    f.book.note_names("set", {"a.test", "b.test"});
    const int shard = failure_book::shard_of("set");
    const auto good = f.book.to_json(shard);
    const auto damaged_with = [&](boost::json::value names) {
        auto changed = good;
        changed["set"].as_object()["names"] = std::move(names);
        failure_book read{enough, retry_options{}};
        return read.read(shard, changed, t0);
    };
    CHECK(damaged_with({"a.test", "b.test"}) == 0);
    CHECK(damaged_with("a.test") == 1);
    CHECK(damaged_with({"a.test", "not a name"}) == 1);
    CHECK(damaged_with({"a.test", 1}) == 1);
    CHECK(damaged_with(boost::json::array(failure_names_max + 1, "a.test")) == 1);
}

TEST_CASE("no shard has more text than a store takes, however much a CA says; those that end first go") {
    failure_book book{100'000, retry_options{}};
    const std::string longest(failure_text_size_max, '"');  // twice as long in JSON
    constexpr int names = 6000;
    const auto key = [](int i) { return "certificates/a" + std::to_string(i) + ".test"; };
    for (int i = 0; i < names; ++i)
        book.remember(key(i), make_failure(failure_class::connection, longest), t0 + i * 1ms, 0);
    CHECK(book.size() > 3000);
    CHECK(book.size() < 4000);
    CHECK_FALSE(book.last(key(0)));
    for (int i = names - 1000; i < names; ++i)
        if (!book.last(key(i)))
            FAIL(key(i) << " was forgotten");
    for (int shard = 0; shard < failure_book::shards; ++shard) {
        const auto size = boost::json::serialize(book.to_json(shard)).size();
        CHECK(size <= store::value_max);
        CHECK(size > 900'000);
    }
    // There is room again.
    for (int i = 0; i < names; ++i)
        book.forget(key(i));
    CHECK(book.size() == 0);
    for (int i = 0; i < names; ++i)
        book.remember(key(i), make_failure(), t0, 0);
    CHECK(book.size() == names);
}
