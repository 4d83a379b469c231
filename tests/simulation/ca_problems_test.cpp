#include <map>

#include "ca_problems.hpp"
#include "catch.hpp"

namespace simulation {

namespace {

/// What the CA says by now: "every nth STATUS", by resource.
struct said {
    std::map<std::string, std::string> now;
    ca_problems all{[this](int n, const std::string& resource, const ca_problem& what) {
        if (n == 0)
            now.erase(resource);
        else
            now[resource] = std::to_string(n) + " " + std::to_string(what.status);
    }};
};

}  // namespace

TEST_CASE("a problem of one resource ends with its own trouble, not with another's") {
    said by;
    const auto first = by.all.begin("newOrder", 1, {429, "rateLimited", "", "60"});
    const auto other = by.all.begin("finalize", 2, {500, "", "", ""});
    by.all.end(other);
    CHECK(by.now == std::map<std::string, std::string>{{"newOrder", "1 429"}});
    by.all.end(first);
    CHECK(by.now.empty());
}

TEST_CASE("of two problems of one resource the later is said, and each lasts its own time") {
    said by;
    const auto first = by.all.begin("newOrder", 1, {429, "rateLimited", "", "60"});
    const auto later = by.all.begin("newOrder", 1, {403, "caa", "", ""});
    CHECK(by.now["newOrder"] == "1 403");
    by.all.end(later);
    CHECK(by.now["newOrder"] == "1 429");
    const auto last = by.all.begin("newOrder", 3, {503, "", "", ""});
    by.all.end(first);
    CHECK(by.now["newOrder"] == "3 503");
    by.all.end(last);
    CHECK(by.now.empty());
}

}  // namespace simulation
