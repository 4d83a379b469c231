#include "acme/dates.hpp"
#include "acme/retry_after.hpp"
#include "catch.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

wall_time at(std::int64_t seconds) { return wall_time{std::chrono::seconds{seconds}}; }

}  // namespace

TEST_CASE("RFC 3339 times are read with fractions, offsets and leap seconds") {
    CHECK(acme::parse_rfc3339("1970-01-01T00:00:00Z") == at(0));
    CHECK(acme::parse_rfc3339("2026-01-31T12:00:00Z") == at(1769860800));
    CHECK(acme::parse_rfc3339("2026-01-31t12:00:00z") == at(1769860800));
    CHECK(acme::parse_rfc3339("2026-01-31T12:00:00.5Z") == at(1769860800) + 500ms);
    CHECK(acme::parse_rfc3339("2026-01-31T12:00:00.123456789123Z") == at(1769860800) + 123456789ns);
    CHECK(acme::parse_rfc3339("2026-01-31T13:00:00+01:00") == at(1769860800));
    CHECK(acme::parse_rfc3339("2026-01-31T06:30:00-05:30") == at(1769860800));
    CHECK(acme::parse_rfc3339("2024-02-29T00:00:00Z") == at(1709164800));
    CHECK(acme::parse_rfc3339("2016-12-31T23:59:60Z") == at(1483228800));
    CHECK(acme::parse_rfc3339("1969-12-31T23:59:59Z") == at(-1));
}

TEST_CASE("a time is written as RFC 3339 has it, and read again") {
    CHECK(acme::to_rfc3339(at(1769860800)) == "2026-01-31T12:00:00Z");
    CHECK(acme::to_rfc3339(at(1769860800) + 999ms) == "2026-01-31T12:00:00Z");
    CHECK(acme::to_rfc3339(at(-1)) == "1969-12-31T23:59:59Z");
    CHECK(acme::parse_rfc3339(acme::to_rfc3339(at(951868799))) == at(951868799));  // 2000-02-29
    CHECK(acme::to_rfc3339(wall_time::min()) == "1677-09-21T00:12:43Z");
    CHECK(acme::to_rfc3339(wall_time::max()) == "2262-04-11T23:47:16Z");
}

TEST_CASE("RFC 3339 times beyond nanoseconds become the last and the first") {
    CHECK(acme::parse_rfc3339("9999-12-31T23:59:59.999999999Z") > at(9'000'000'000));
    CHECK(acme::parse_rfc3339("0001-01-01T00:00:00Z") < at(-9'000'000'000));
}

TEST_CASE("what is not an RFC 3339 time is nothing") {
    for (auto text :
         {"",
          "Z",
          "2026-01-31",
          "2026-01-31T12:00:00",
          "2026-01-31 12:00:00Z",
          "2026-1-31T12:00:00Z",
          "2026-02-30T12:00:00Z",
          "2025-02-29T12:00:00Z",
          "2026-13-01T12:00:00Z",
          "2026-00-01T12:00:00Z",
          "2026-01-31T24:00:00Z",
          "2026-01-31T12:60:00Z",
          "2026-01-31T12:00:61Z",
          "2026-01-31T12:00:00.Z",
          "2026-01-31T12:00:00ZZ",
          "2026-01-31T12:00:00Z ",
          " 2026-01-31T12:00:00Z",
          "2026-01-31T12:00:00+0100",
          "2026-01-31T12:00:00+24:00",
          "2026-01-31T12:00:00+01:60",
          "-026-01-31T12:00:00Z",
          "+026-01-31T12:00:00Z",
          "2026-01-31T12:00:00,5Z",
          "20260131T120000Z",
          "tomorrow",
          "2026-01-31T12:00:00.00000000000000000000000000000000000000000000000000000Z"}) {
        INFO(text);
        CHECK_FALSE(acme::parse_rfc3339(text));
    }
}

TEST_CASE("HTTP dates are read in all three forms") {
    CHECK(acme::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == at(784111777));
    CHECK(acme::parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT") == at(784111777));
    CHECK(acme::parse_http_date("Sun Nov  6 08:49:37 1994") == at(784111777));
}

TEST_CASE("what is not an HTTP date is nothing") {
    for (auto text :
         {"", "0", "Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
          "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT GMT",
          "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49: 37 GMT", "Fri, 31 Dec 9199 22:58: 31 Dec",
          "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMTxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}) {
        INFO(text);
        CHECK_FALSE(acme::parse_http_date(text));
    }
}

TEST_CASE("Retry-After is read as seconds and as a date, within its bounds") {
    struct {
        const char* text;
        std::optional<duration> wait;
    } const cases[] = {
        {"0", 1s},
        {"7", 7s},
        {"007", 7s},
        {"60", 60s},
        {"61", 60s},
        {"99999999999999999999999999", 60s},
        {"18446744073709551615", 60s},
        {"Sun, 06 Nov 1994 08:49:47 GMT", 10s},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 1s},
        {"Sat, 05 Nov 1994 08:49:37 GMT", 1s},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 60s},
        {"", {}},
        {"-1", {}},
        {"+1", {}},
        {"1.5", {}},
        {"1 ", {}},
        {"0x10", {}},
        {"soon", {}},
        {"Sun, 06 Nov 1994", {}},
    };
    for (auto& one : cases) {
        INFO(one.text);
        CHECK(acme::parse_retry_after(one.text, at(784111777), 1s, 60s) == one.wait);
    }
}

TEST_CASE("a Retry-After in the far past or future of a wrong clock stays within its bounds") {
    CHECK(acme::parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", wall_time::min(), 1s, 60s) == duration{60s});
    CHECK(acme::parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", wall_time::max(), 1s, 60s) == duration{1s});
}
