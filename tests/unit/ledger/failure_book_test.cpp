#include <asio/error.hpp>

#include <evercert/error.hpp>

#include "catch.hpp"
#include "failure_books.hpp"

using namespace evercert;
using namespace test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using std::chrono::days;

TEST_CASE("a failure is in force until the next attempt is due, and known after that") {
    failing f;
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
        failing f;
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
    CHECK(failing{}.fail(t0, failure_class::rate_limited, 0.5) == 63min);
    CHECK(failing{}.fail(t0, failure_class::rate_limited, 1) == 66min);
    CHECK(failing{}.fail(t0, failure_class::rate_limited, 50) == 66min);
    CHECK(failing{}.fail(t0, failure_class::rate_limited, -1) == 60min);
}

TEST_CASE("failures are counted anew after a success, or if nothing was tried for the class' longest wait") {
    failing f;
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
    failing f;
    const auto record = f.book.remember("key", thrown(std::system_error{asio::error::operation_aborted}), t0, 0);
    CHECK(record.retry_at == t0);
    CHECK(f.book.size() == 0);
    f.fail(t0);
    f.book.remember("key", thrown(error{errc::stopped, "stopped"}), t0, 0);
    CHECK(f.book.last("key")->failures == 1);
}

TEST_CASE("a Retry-After is obeyed if it is longer, and bounded") {
    failing f;
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
    failing f;
    f.book.remember("old", make_failure(), t0, 0);
    f.book.remember("new", make_failure(), t0 + 24h + 5min, 0);
    CHECK_FALSE(f.book.last("old"));
    CHECK(f.book.size() == 1);
}

TEST_CASE("the book says which of its shards changed") {
    failing f;
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
        failing f;
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
    failing f;
    f.book.remember("key", thrown(error{errc::authorization_invalid, "the CA could not connect"}), t0, 0);
    const auto now = describe(as_exception(*f.book.last("key"), t0 + 90s));
    CHECK(now.text == "the CA could not connect (tried 1 min 30 s ago; next attempt in 3 min 30 s)");
    CHECK(now.retry_after == 210s);
    const auto late = describe(as_exception(*f.book.last("key"), t0 + 2h));
    CHECK_THAT(late.text, ContainsSubstring("next attempt in 0 s"));
    const auto stepped_back = describe(as_exception(*f.book.last("key"), t0 - 2h));
    CHECK_THAT(stepped_back.text, ContainsSubstring("tried 0 s ago"));
}
