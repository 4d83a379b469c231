#include <evercert/error.hpp>
#include <evercert/mux.hpp>

#include "catch.hpp"
#include "run.hpp"

using namespace evercert;

namespace {

handler named(std::string name) {
    return [name](request) {
        return [](std::string text) -> asio::awaitable<response> { co_return response{text}; }(name);
    };
}

mux with(const std::vector<std::string>& patterns) {
    mux made;
    for (const auto& pattern : patterns)
        made.handle(pattern, named(pattern));
    return made;
}

/// The pattern that answers, or the status and where it redirects to.
std::string answer_of(const mux& in, std::string target, std::string host = "a.test") {
    request message{"GET", std::move(target)};
    message.host = std::move(host);
    const auto found = in.find(message);
    const auto answer = test::run_io(found(message));
    if (answer.status == 200)
        return answer.body;
    return std::to_string(answer.status) + (answer.fields.has("Location") ? " " : "") +
        std::string{answer.fields.get("Location")};
}

}  // namespace

TEST_CASE("the exact path goes first, then the longest path above it") {
    const auto m = with({"/", "/a", "/a/b/", "/a/b/c"});
    CHECK(answer_of(m, "/") == "/");
    CHECK(answer_of(m, "/x/y") == "/");
    CHECK(answer_of(m, "/a") == "/a");
    CHECK(answer_of(m, "/a?b=/c") == "/a");
    CHECK(answer_of(m, "/a/") == "/");
    CHECK(answer_of(m, "/ab") == "/");
    CHECK(answer_of(m, "/a/b/") == "/a/b/");
    CHECK(answer_of(m, "/a/b/c") == "/a/b/c");
    CHECK(answer_of(m, "/a/b/c/d") == "/a/b/");
}

TEST_CASE("a pattern with the host goes before those without") {
    const auto m = with({"/", "/a", "B.test/", "b.test/c"});
    CHECK(answer_of(m, "/a") == "/a");
    CHECK(answer_of(m, "/a", "b.test") == "B.test/");
    CHECK(answer_of(m, "/c", "b.test") == "b.test/c");
    CHECK(answer_of(m, "/c", "") == "/");
    CHECK(answer_of(m, "/c", "xb.test") == "/");
}

TEST_CASE("what nobody answers is 404, and OPTIONS * is a ping") {
    CHECK(answer_of(mux{}, "/") == "404");
    CHECK(answer_of(with({"/a", "/b/", "c.test/"}), "/") == "404");
    CHECK(answer_of(with({"/a"}), "/a/") == "404");
    CHECK(answer_of(mux{}, "*") == "204");
}

TEST_CASE("a path without its slash is redirected to the one with it") {
    const auto m = with({"/", "/a/", "/b", "/b/", "c.test/d/"});
    CHECK(answer_of(m, "/a") == "308 /a/");
    CHECK(answer_of(m, "/a?x=y") == "308 /a/?x=y");
    CHECK(answer_of(m, "/b") == "/b");
    CHECK(answer_of(m, "/d", "c.test") == "308 /d/");
    CHECK(answer_of(m, "/d") == "/");
}

TEST_CASE("empty and dot segments are redirected away, also where they are encoded") {
    const auto m = with({"/"});
    CHECK(answer_of(m, "//") == "308 /");
    CHECK(answer_of(m, "/a//b?c//d") == "308 /a/b?c//d");
    CHECK(answer_of(m, "/a/./b") == "308 /a/b");
    CHECK(answer_of(m, "/a/../b") == "308 /b");
    CHECK(answer_of(m, "/a/b/..") == "308 /a/");
    CHECK(answer_of(m, "/a/.") == "308 /a/");
    CHECK(answer_of(m, "/../../etc/passwd") == "308 /etc/passwd");
    CHECK(answer_of(m, "/a/%2e%2E/%2e/b") == "308 /b");
    CHECK(answer_of(m, "/a/.%2e") == "308 /");
    CHECK(answer_of(m, "/...") == "/");
    CHECK(answer_of(m, "/a.b/..c") == "/");
    CHECK(answer_of(with({"/a"}), "//b") == "404");
}

TEST_CASE("no path redirects to another host") {
    const auto m = with({"/", "/a/"});
    CHECK(answer_of(m, "//evil.test/") == "308 /evil.test/");
    CHECK(answer_of(m, "///evil.test") == "308 /evil.test");
    CHECK(answer_of(m, "//\\evil.test/") == "308 /%5Cevil.test/");
    CHECK(answer_of(m, "/.//evil.test/..") == "308 /");
    CHECK(answer_of(m, "/../\\/evil.test") == "308 /%5C/evil.test");
}

TEST_CASE("patterns that can never match, or match twice, are refused") {
    mux m = with({"/a", "b.test/"});
    for (const char* pattern : {"", "a", "b.test", "/a", "B.TEST/", "/a//b", "/a/../b", "/./", "//"}) {
        INFO(pattern);
        CHECK_THROWS_AS(m.handle(pattern, named("x")), error);
    }
    CHECK_THROWS_AS(m.handle("/c", handler{}), error);
}
