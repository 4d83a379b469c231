#include "base/interned_text.hpp"
#include "catch.hpp"

using namespace evercert;

TEST_CASE("the same text is kept once for all that have it") {
    const std::string url = "https://ca.test/directory";
    const interned_text first{url}, second{std::string_view{url}};
    CHECK(&first.value() == &second.value());
    CHECK(first == url);
    CHECK_FALSE(first.empty());
    const interned_text other{std::string_view{"https://other.test/directory"}};
    CHECK_FALSE(other == url);
}

TEST_CASE("a text is there for as long as one has it, and comes anew after that") {
    interned_text last;
    {
        const interned_text first{std::string_view{"a text of this test"}};
        last = first;
    }
    CHECK(last == "a text of this test");
    last = {};
    CHECK(last.empty());
    CHECK(last == "");
    last = std::string{"a text of this test"};
    CHECK(last == "a text of this test");
}

TEST_CASE("no text is no object") {
    CHECK(interned_text{}.empty());
    CHECK(interned_text{std::string_view{}}.empty());
    CHECK(interned_text{}.value().empty());
}
