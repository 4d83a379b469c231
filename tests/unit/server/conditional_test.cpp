#include <string>
#include <vector>

#include "catch.hpp"
#include "server/conditional.hpp"

using namespace evercert;

namespace {

// Sun, 06 Nov 1994 08:49:37 GMT, and some more.
const validators current{"\"tag\"", wall_time{std::chrono::seconds{784111777} + std::chrono::milliseconds{500}}};
const std::string then = "Sun, 06 Nov 1994 08:49:37 GMT";
const std::string before = "Sun, 06 Nov 1994 08:49:36 GMT";

fields of(const std::vector<std::pair<std::string, std::string>>& list) {
    fields result;
    for (const auto& [name, value] : list)
        result.add(name, value);
    return result;
}

std::string range_of(const std::string& text, std::uint64_t size, std::string if_range = "") {
    fields asked = of({{"Range", text}});
    if (!if_range.empty())
        asked.add("If-Range", if_range);
    byte_range part;
    switch (choose_range(asked, current, size, part)) {
    case range_answer::whole: return "whole";
    case range_answer::unsatisfiable: return "416";
    default: return std::to_string(part.first) + "+" + std::to_string(part.size);
    }
}

}  // namespace

TEST_CASE("conditions count in the order of RFC 9110") {
    struct row {
        std::vector<std::pair<std::string, std::string>> asked;
        condition expected;
    };
    for (const auto& each : {
             row{{}, condition::fulfilled},
             row{{{"If-Match", "\"tag\""}}, condition::fulfilled},
             row{{{"If-Match", "*"}}, condition::fulfilled},
             row{{{"If-Match", "\"a\", \"tag\""}}, condition::fulfilled},
             row{{{"If-Match", "W/\"tag\""}}, condition::failed},
             row{{{"If-Match", "\"other\""}}, condition::failed},
             row{{{"If-Match", "tag"}}, condition::failed},
             row{{{"If-Match", "\"tag\""}, {"If-Unmodified-Since", before}}, condition::fulfilled},
             row{{{"If-Unmodified-Since", before}}, condition::failed},
             row{{{"If-Unmodified-Since", then}}, condition::fulfilled},
             row{{{"If-Unmodified-Since", "nonsense"}}, condition::fulfilled},
             row{{{"If-None-Match", "\"tag\""}}, condition::not_modified},
             row{{{"If-None-Match", "\"a,b\", W/\"tag\""}}, condition::not_modified},
             row{{{"If-None-Match", "\"a\""}, {"If-None-Match", "\"tag\""}}, condition::not_modified},
             row{{{"If-None-Match", "*"}}, condition::not_modified},
             row{{{"If-None-Match", "\"other\""}, {"If-Modified-Since", then}}, condition::fulfilled},
             row{{{"If-Modified-Since", then}}, condition::not_modified},
             row{{{"If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT"}}, condition::not_modified},
             row{{{"If-Modified-Since", before}}, condition::fulfilled},
             row{{{"If-Match", "\"other\""}, {"If-None-Match", "\"tag\""}}, condition::failed},
         })
        CHECK(evaluate_conditions(of(each.asked), current) == each.expected);
}

TEST_CASE("one range of bytes is given, cut at the end; several, and what is none, are ignored") {
    CHECK(range_of("bytes=0-0", 10) == "0+1");
    CHECK(range_of("bytes=2-5", 10) == "2+4");
    CHECK(range_of("Bytes=2-", 10) == "2+8");
    CHECK(range_of("bytes=-3", 10) == "7+3");
    CHECK(range_of("bytes=-30", 10) == "0+10");
    CHECK(range_of("bytes=5-99999999999999999999999", 10) == "5+5");
    CHECK(range_of("bytes=10-", 10) == "416");
    CHECK(range_of("bytes=-0", 10) == "416");
    CHECK(range_of("bytes=0-", 0) == "416");
    CHECK(range_of("bytes=0-1,3-4", 10) == "whole");
    CHECK(range_of("bytes=5-2", 10) == "whole");
    CHECK(range_of("bytes=-", 10) == "whole");
    CHECK(range_of("bytes=a-b", 10) == "whole");
    CHECK(range_of("bytes=1-2x", 10) == "whole");
    CHECK(range_of("lines=1-2", 10) == "whole");
    CHECK(range_of("", 10) == "whole");
}

TEST_CASE("a part is given only of what the client has the other parts of") {
    CHECK(range_of("bytes=0-0", 10, "\"tag\"") == "0+1");
    CHECK(range_of("bytes=0-0", 10, "\"other\"") == "whole");
    CHECK(range_of("bytes=0-0", 10, "W/\"tag\"") == "whole");
    CHECK(range_of("bytes=0-0", 10, then) == "0+1");
    CHECK(range_of("bytes=0-0", 10, before) == "whole");
}
