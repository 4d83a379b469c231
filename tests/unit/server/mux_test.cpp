#include <algorithm>

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
std::string answer_of(const mux& in, std::string target, std::string host = "a.test", std::string method = "GET") {
    request message{std::move(method), std::move(target)};
    message.host = std::move(host);
    const auto answer = test::run_io(in.answer(std::move(message)));
    if (answer.status == 200)
        return answer.body;
    std::string result = std::to_string(answer.status);
    for (const auto name : {"Location", "Allow"})
        if (answer.fields.has(name))
            result += " " + std::string{answer.fields.get(name)};
    return result;
}

std::string refusal_of(const std::string& first, const std::string& second) {
    mux m = with({first});
    try {
        m.handle(second, named("x"));
    } catch (const error& e) {
        return e.what();
    }
    return "";
}

/// What stood for the wildcards: "name=value ...".
std::string values_of(const std::string& pattern, const std::string& target) {
    mux m;
    m.handle(pattern, [](request asked) -> asio::awaitable<response> {
        std::string text;
        for (const auto& [name, value] : asked.path_values)
            text += (text.empty() ? "" : " ") + name + "=" + value;
        co_return response{text};
    });
    return answer_of(m, target);
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

TEST_CASE("a wildcard takes one segment, the rest, or nothing but the end") {
    const auto m =
        with({"/items/{id}", "/items/new", "/items/{id}/parts/{part}", "/files/{path...}", "/top/{$}", "/{$}"});
    CHECK(answer_of(m, "/items/7") == "/items/{id}");
    CHECK(answer_of(m, "/items/new") == "/items/new");
    CHECK(answer_of(m, "/items/n%65w") == "/items/new");
    CHECK(answer_of(m, "/items/") == "404");
    CHECK(answer_of(m, "/items/7/") == "404");
    CHECK(answer_of(m, "/items/new/parts/x") == "/items/{id}/parts/{part}");
    CHECK(answer_of(m, "/files/") == "/files/{path...}");
    CHECK(answer_of(m, "/files/a/b/") == "/files/{path...}");
    CHECK(answer_of(m, "/files") == "308 /files/");
    CHECK(answer_of(m, "/top/") == "/top/{$}");
    CHECK(answer_of(m, "/top") == "308 /top/");
    CHECK(answer_of(m, "/top/a") == "404");
    CHECK(answer_of(m, "/") == "/{$}");
    CHECK(answer_of(m, "/a") == "404");
}

TEST_CASE("what stood for a wildcard is given by name, decoded") {
    CHECK(values_of("/items/{id}", "/items/a%20b") == "id=a b");
    CHECK(values_of("/items/{id}", "/items/a%2Fb") == "id=a/b");
    CHECK(values_of("/{a}/x/{b}", "/1/x/2") == "a=1 b=2");
    CHECK(values_of("/{a}/{rest...}", "/1/x/2/") == "a=1 rest=x/2/");
    CHECK(values_of("/{a}/{rest...}", "/1/") == "a=1 rest=");
    CHECK(values_of("/{a}/", "/1/x").starts_with("a=1"));
    CHECK(values_of("/{a}", "/100%").starts_with("a=100%"));
    request asked;
    asked.path_values = {{"id", "7"}};
    CHECK(asked.path_value("id") == "7");
    CHECK(asked.path_value("other").empty());
}

TEST_CASE("the more specific pattern answers, whatever was registered first") {
    for (const bool reversed : {false, true}) {
        std::vector<std::string> patterns = {"/",      "/{a}/x",     "/a/{b...}",       "/a/b/{c}",
                                             "/a/b/c", "GET /a/b/c", "h.test/{all...}", "POST h.test/{x}"};
        patterns.erase(patterns.begin() + 1);
        if (reversed)
            std::reverse(patterns.begin(), patterns.end());
        const auto m = with(patterns);
        CHECK(answer_of(m, "/z") == "/");
        CHECK(answer_of(m, "/a/z") == "/a/{b...}");
        CHECK(answer_of(m, "/a/b/z") == "/a/b/{c}");
        CHECK(answer_of(m, "/a/b/c") == "GET /a/b/c");
        CHECK(answer_of(m, "/a/b/c", "a.test", "POST") == "/a/b/c");
        CHECK(answer_of(m, "/a/b/c", "h.test") == "h.test/{all...}");
        CHECK(answer_of(m, "/a", "h.test", "POST") == "POST h.test/{x}");
    }
}

TEST_CASE("a path under other methods is 405 with those that it has") {
    const auto m = with({"GET /a", "POST /a", "DELETE /a/{id}", "PUT h.test/a"});
    CHECK(answer_of(m, "/a", "a.test", "HEAD") == "GET /a");
    CHECK(answer_of(m, "/a", "a.test", "PATCH") == "405 GET, HEAD, POST");
    CHECK(answer_of(m, "/a", "h.test", "PATCH") == "405 GET, HEAD, POST, PUT");
    CHECK(answer_of(m, "/a", "h.test") == "GET /a");
    CHECK(answer_of(m, "/a/1") == "405 DELETE");
    CHECK(answer_of(m, "/b", "a.test", "PATCH") == "404");
    CHECK(answer_of(with({"GET /items/"}), "/items", "a.test", "POST") == "405 GET, HEAD");
    CHECK(answer_of(with({"HEAD /a", "GET /a"}), "/a", "a.test", "HEAD") == "HEAD /a");
}

TEST_CASE("a fallback answers what no pattern takes, with the path as it came") {
    auto m = with({"GET /a", "/b/", "c.test/d"});
    m.fallback([](request asked) -> asio::awaitable<response> { co_return response{"fallback " + asked.target}; });
    CHECK(answer_of(m, "/a") == "GET /a");
    CHECK(answer_of(m, "/a", "a.test", "POST") == "fallback /a");
    CHECK(answer_of(m, "/d") == "fallback /d");
    CHECK(answer_of(m, "/d", "c.test") == "c.test/d");
    CHECK(answer_of(m, "//x/../y?z") == "fallback //x/../y?z");
    CHECK(answer_of(m, "//x/../b") == "308 /b/");
    CHECK(answer_of(m, "/b") == "308 /b/");
    CHECK(answer_of(m, "*", "a.test", "OPTIONS") == "204");
}

TEST_CASE("two patterns that have a request in common, and neither is more specific, are refused by name") {
    const std::vector<std::pair<std::string, std::string>> conflicts = {
        {"/{a}", "/{b}"}, {"/a/{x}", "/{y}/b"},         {"/{x...}", "/{y...}"},       {"/a/", "/a/{x...}"},
        {"GET /", "/a"},  {"POST /{x}/b", "/a/{y...}"}, {"GET /{a}", "HEAD /{b...}"}, {"h.test/a", "H.test/a"}};
    for (const auto& [first, second] : conflicts) {
        INFO(first << " and " << second);
        CHECK(refusal_of(first, second).find(first) != std::string::npos);
        CHECK_FALSE(refusal_of(second, first).empty());
    }
    CHECK(refusal_of("/posts/{id}", "/{what}/latest").find("/posts/latest") != std::string::npos);
    const std::vector<std::pair<std::string, std::string>> fine = {
        {"/{a}", "/a"},       {"/a/{x}", "/a/b"}, {"/", "/{$}"},          {"/a", "/a/"},        {"GET /a", "POST /a"},
        {"/a/{x}", "/a/{$}"}, {"GET /a", "/a"},   {"h.test/{a}", "/{b}"}, {"GET /", "HEAD /a"}, {"/{x}/a", "/{x}/b/"}};
    for (const auto& [first, second] : fine) {
        INFO(first << " and " << second);
        CHECK(refusal_of(first, second).empty());
        CHECK(refusal_of(second, first).empty());
    }
}

TEST_CASE("a pattern that is none is refused with a text that says why") {
    mux m;
    const std::vector<std::pair<std::string, std::string>> table = {{"GET", "no path"},
                                                                    {"GET  ", "no path"},
                                                                    {"G@T /", "no method"},
                                                                    {"/a{b}", "whole segment"},
                                                                    {"/{b}a", "whole segment"},
                                                                    {"/{$}/a", "before its end"},
                                                                    {"/{a...}/b", "before its end"},
                                                                    {"/{}", "without a name"},
                                                                    {"/{a-b}", "without a name"},
                                                                    {"/{1}", "without a name"},
                                                                    {"/{a}/{a}", "two wildcards"},
                                                                    {"a.test:80/", "no port"},
                                                                    {"{h}.test/", "no wildcard"},
                                                                    {"/%zz", "encodes nothing"}};
    for (const auto& [pattern, why] : table) {
        INFO(pattern);
        try {
            m.handle(pattern, named("x"));
            FAIL("it was taken");
        } catch (const error& e) {
            CHECK(std::string_view{e.what()}.find(why) != std::string_view::npos);
        }
    }
}

TEST_CASE("of 100,000 hosts each has its own patterns") {
    mux m;
    const auto answer = named("x");
    for (int i = 0; i < 100'000; ++i)
        m.handle("h" + std::to_string(i) + ".test/" + std::to_string(i), answer);
    CHECK(answer_of(m, "/99999", "h99999.test") == "x");
    CHECK(answer_of(m, "/99998", "h99999.test") == "404");
}
