#include <algorithm>

#include <asio/error.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <evercert/error.hpp>
#include <evercert/store.hpp>

#include "base/wall_time.hpp"
#include "catch.hpp"
#include "ledger/failure_book.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using std::chrono::days;

namespace {

const wall_time t0 = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
constexpr std::size_t enough = 1000;

failure make_failure(failure_class kind = failure_class::connection, std::string text = "no answer") {
    failure result;
    result.kind = kind;
    result.text = std::move(text);
    result.code = errc::authorization_invalid;
    return result;
}

struct fixture {
    failure_book book{enough, retry_options{}};

    duration fail(wall_time now, failure_class kind = failure_class::connection, double draw = 0) {
        return book.remember("key", make_failure(kind), now, draw).retry_at - now;
    }
};

boost::json::object reparse(const boost::json::object& object) {
    return boost::json::parse(boost::json::serialize(object)).as_object();
}

/// Everything in `from`, as a store would hand it to another process.
failure_book copy_of(const failure_book& from, wall_time now) {
    failure_book copy{enough, retry_options{}};
    for (int shard = 0; shard < failure_book::shards; ++shard)
        REQUIRE(copy.read(shard, reparse(from.to_json(shard)), now) == 0);
    return copy;
}

template <typename Thrown>
std::exception_ptr thrown(Thrown what) {
    return std::make_exception_ptr(std::move(what));
}

}  // namespace

TEST_CASE("a failure is in force until the next attempt is due, and known after that") {
    fixture f;
    CHECK_FALSE(f.book.find("key", t0));
    const auto record = f.book.remember("key", make_failure(), t0, 0);
    CHECK(record.retry_at == t0 + 5min);
    CHECK(record.failures == 1);
    REQUIRE(f.book.find("key", t0));
    CHECK(f.book.find("key", t0)->text == "no answer");
    CHECK(f.book.find("key", t0 + 5min - 1ns));
    CHECK_FALSE(f.book.find("key", t0 + 5min));
    CHECK(f.book.last("key"));
    CHECK_FALSE(f.book.find("other", t0));
    CHECK(f.book.forget("key"));
    CHECK_FALSE(f.book.forget("key"));
    CHECK_FALSE(f.book.last("key"));
}

TEST_CASE("each failure in a row doubles the wait of its class up to the most") {
    const std::vector<std::pair<failure_class, std::vector<duration>>> table{
        {failure_class::name_refused, {6h, 12h, 24h, 48h, 96h, days{7}, days{7}}},
        {failure_class::caa, {15min, 30min, 1h, 2h, 4h, 8h, 16h, 24h, 24h}},
        {failure_class::dns, {5min, 10min, 20min, 40min, 80min}},
        {failure_class::connection, {5min, 10min, 20min, 40min, 80min}},
        {failure_class::rate_limited, {1h, 2h, 4h, 8h, 16h, 24h, 24h}},
        {failure_class::server, {1min, 2min, 4min, 8min, 16min, 32min, 64min, 128min, 256min, 6h, 6h}},
        {failure_class::our_mistake, {1h, 2h, 4h, 8h, 16h, 24h, 24h}},
        {failure_class::local, {1min, 2min, 4min, 8min, 16min, 32min, 1h, 1h}},
    };
    for (const auto& [kind, waits] : table) {
        INFO(to_string(kind));
        fixture f;
        auto now = t0;
        int failures = 0;
        for (const auto wait : waits) {
            CHECK(f.fail(now, kind) == wait);
            CHECK(f.book.last("key")->failures == ++failures);
            now += wait;
        }
    }
}

TEST_CASE("the draw lengthens a wait by up to a tenth") {
    CHECK(fixture{}.fail(t0, failure_class::rate_limited, 0.5) == 63min);
    CHECK(fixture{}.fail(t0, failure_class::rate_limited, 1) == 66min);
    CHECK(fixture{}.fail(t0, failure_class::rate_limited, 50) == 66min);
    CHECK(fixture{}.fail(t0, failure_class::rate_limited, -1) == 60min);
}

TEST_CASE("failures are counted anew after a success, or if nothing was tried for the class' longest wait") {
    fixture f;
    f.fail(t0);
    f.fail(t0 + 5min);
    f.book.forget("key");
    CHECK(f.fail(t0 + 15min) == 5min);
    const auto due = t0 + 20min;
    CHECK(f.fail(due + 24h - 1s) == 10min);
    const auto due_again = due + 24h - 1s + 10min;
    CHECK(f.fail(due_again + 24h) == 5min);
}

TEST_CASE("a cancellation is not a failure") {
    fixture f;
    const auto record = f.book.remember("key", thrown(std::system_error{asio::error::operation_aborted}), t0, 0);
    CHECK(record.retry_at == t0);
    CHECK(f.book.size() == 0);
    f.fail(t0);
    f.book.remember("key", thrown(error{errc::stopped, "stopped"}), t0, 0);
    CHECK(f.book.last("key")->failures == 1);
}

TEST_CASE("a Retry-After is obeyed if it is longer, and bounded") {
    fixture f;
    auto record = f.book.remember("key", make_failure(), t0, 0, 7200s);
    CHECK(record.retry_at == t0 + 2h);
    CHECK(record.ordered_until == t0 + 2h);
    CHECK(record.ordered());

    record = f.book.remember("other", make_failure(failure_class::caa), t0, 0, 60s);
    CHECK(record.retry_at == t0 + 15min);
    CHECK(record.ordered_until == t0 + 60s);

    CHECK_FALSE(f.book.remember("third", make_failure(), t0, 0).ordered());
    CHECK(f.book.remember("a", make_failure(), t0, 0, std::chrono::seconds::max()).retry_at == t0 + days{31});
    CHECK(f.book.remember("b", make_failure(), t0, 0, std::chrono::seconds::min()).retry_at == t0 + 5min);

    const auto own = thrown(error{errc::rate_limited, "too many", problem{}, std::chrono::seconds{36000}});
    CHECK(f.book.remember("c", own, t0, 0).retry_at == t0 + 10h);
}

TEST_CASE("beyond its bound the book forgets the failure that ends first") {
    failure_book book{2, retry_options{}};
    book.remember("short", make_failure(failure_class::local), t0, 0);
    book.remember("long", make_failure(failure_class::name_refused), t0, 0);
    book.remember("middle", make_failure(failure_class::caa), t0, 0);
    CHECK(book.size() == 2);
    CHECK_FALSE(book.last("short"));
    CHECK(book.last("long"));
    CHECK(book.last("middle"));
    failure_book none{0, retry_options{}};
    CHECK(none.remember("key", make_failure(), t0, 0).retry_at == t0 + 5min);
    CHECK(none.size() == 0);
}

TEST_CASE("what has long ended is dropped by the next change") {
    fixture f;
    f.book.remember("old", make_failure(), t0, 0);
    f.book.remember("new", make_failure(), t0 + 24h + 5min, 0);
    CHECK_FALSE(f.book.last("old"));
    CHECK(f.book.size() == 1);
}

TEST_CASE("the book says which of its shards changed") {
    fixture f;
    CHECK(f.book.take_changed().none());
    f.book.remember("a", make_failure(), t0, 0);
    f.book.remember("b", make_failure(), t0, 0);
    shard_set expected;
    expected.set(static_cast<std::size_t>(failure_book::shard_of("a")));
    expected.set(static_cast<std::size_t>(failure_book::shard_of("b")));
    CHECK(f.book.take_changed() == expected);
    CHECK(f.book.take_changed().none());
    f.book.forget("nothing");
    CHECK(f.book.take_changed().none());
    f.book.forget("a");
    CHECK(f.book.take_changed().test(static_cast<std::size_t>(failure_book::shard_of("a"))));
}

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
    fixture f;
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
    fixture f;
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
    fixture f;
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
    fixture f;
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
    fixture f;
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
    fixture f;
    f.fail(t0);
    CHECK(f.book.find("key", t0 - 1h));
    CHECK_FALSE(f.book.find("key", t0 - days{400}));
}

TEST_CASE("after a step back records from the future begin now, by themselves or when the book is told") {
    fixture f;
    f.book.remember("key", make_failure(failure_class::caa), t0, 0, 7200s);
    const auto past = t0 - days{400};
    f.book.clock_stepped(past);
    REQUIRE(f.book.find("key", past));
    CHECK(f.book.last("key")->retry_at == past + 2h);
    CHECK(f.book.last("key")->ordered_until == past + 2h);
    CHECK(f.book.take_changed().test(static_cast<std::size_t>(failure_book::shard_of("key"))));

    fixture g;
    g.fail(t0);
    g.book.remember("other", make_failure(), past, 0);
    CHECK(g.book.last("key")->retry_at == past + 5min);
    CHECK(g.book.find("key", past));
    g.book.remember("other", make_failure(), past + 25h, 0);
    CHECK_FALSE(g.book.last("key"));
}

TEST_CASE("a record becomes an error of the same code and class again") {
    const auto with = [](std::string type, int status = 403, std::vector<std::string> subproblems = {}) {
        problem said;
        said.type = "urn:ietf:params:acme:error:" + type;
        said.status = status;
        for (auto& one : subproblems)
            said.subproblems.push_back({"urn:ietf:params:acme:error:" + one, "because", "a.test"});
        return said;
    };
    const std::vector<std::exception_ptr> table{
        thrown(error{errc::timed_out, "text"}),
        thrown(error{errc::store_failed, "text"}),
        thrown(error{errc::name_not_allowed, "text"}),
        thrown(error{errc::rate_limited, "text", 60s}),
        thrown(error{errc::rate_limited, "text", with("malformed", 429)}),
        thrown(error{errc::authorization_invalid, "text", with("unauthorized")}),
        thrown(error{errc::acme_problem, "text", with("unauthorized")}),
        thrown(error{errc::acme_problem, "text", with("compound", 403, {"dns", "caa"})}),
        thrown(error{errc::acme_problem, "text", with("serverInternal", 500, {"rejectedIdentifier"})}),
        thrown(error{errc::acme_problem, "text", with("malformed", 500)}),
        thrown(error{errc::acme_problem, "text", with("novel", 503)}),
        thrown(error{errc::http_status, "text", with("", 404)}),
        thrown(std::system_error{asio::error::connection_refused}),
        thrown(std::system_error{asio::error::host_not_found}),
        thrown(std::system_error{std::make_error_code(std::errc::no_space_on_device)}),
        thrown(std::runtime_error{"text"}),
        thrown(42),
    };
    for (const auto& original : table) {
        fixture f;
        f.book.remember("key", original, t0, 0);
        const auto copy = copy_of(f.book, t0);
        const auto before = describe(original);
        const auto after = describe(as_exception(*copy.last("key"), t0 + 1min));
        INFO(before.text << " / " << to_string(before.kind));
        CHECK(after.kind == before.kind);
        if (before.code)
            CHECK(after.code == before.code);
        CHECK(after.code);
    }
}

TEST_CASE("the error says when it was tried and when it will be again") {
    fixture f;
    f.book.remember("key", thrown(error{errc::authorization_invalid, "the CA could not connect"}), t0, 0);
    const auto now = describe(as_exception(*f.book.last("key"), t0 + 90s));
    CHECK(now.text == "the CA could not connect (tried 1 min 30 s ago; next attempt in 3 min 30 s)");
    CHECK(now.retry_after == 210s);
    const auto late = describe(as_exception(*f.book.last("key"), t0 + 2h));
    CHECK_THAT(late.text, ContainsSubstring("next attempt in 0 s"));
    const auto stepped_back = describe(as_exception(*f.book.last("key"), t0 - 2h));
    CHECK_THAT(stepped_back.text, ContainsSubstring("tried 0 s ago"));
}

TEST_CASE(
    "a refusal lasts as long as it was told, within the bound of its class, and stands under its key's beginning") {
    fixture f;
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
    fixture f;
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
    fixture f;
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
    fixture f;
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
    fixture one, other;
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
    fixture one, other;
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
    fixture one;
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
