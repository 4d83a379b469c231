#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include "catch.hpp"

namespace {

/// `path`: from the root of the sources, where Meson runs this.
std::string read(const std::string& path) {
    std::ifstream file{path};
    INFO(path);
    REQUIRE(file);
    return {std::istreambuf_iterator<char>{file}, {}};
}

/// As if it stood at the margin.
std::string at_the_margin(const std::string& text) {
    const auto indent = text.find_first_not_of(' ');
    std::istringstream lines{text};
    std::string all;
    for (std::string line; std::getline(lines, line);)
        all += line.substr(std::min({indent, line.find_first_not_of(' '), line.size()})) + '\n';
    return all;
}

/// What stands between two marks, each time.
std::set<std::string> between(const std::string& text, const std::string& begin, const std::string& end) {
    std::set<std::string> found;
    for (auto at = text.find(begin); at != text.npos; at = text.find(begin, at)) {
        at += begin.size();
        const auto length = text.rfind('\n', text.find(end, at)) + 1 - at;
        found.insert(at_the_margin(text.substr(at, length)));
        at += length;
    }
    return found;
}

}  // namespace

TEST_CASE("docs/testing.md shows what these tests run, as it is, and nothing else") {
    std::set<std::string> tried;
    for (const auto* each :
         {"tests/docs/testing_your_server_test.cpp", "tests/docs/simulation_test.cpp", "examples/shop/year_test.cpp"})
        for (const auto& snippet : between(read(each), "// [snippet]\n", "// [/snippet]"))
            tried.insert(snippet);
    CHECK(tried.size() >= 7);
    const auto shown = between(read("docs/testing.md"), "```cpp\n", "```\n");
    for (const auto& each : shown) {
        INFO(each);
        CHECK(tried.contains(each));
    }
    for (const auto& each : tried) {
        INFO(each);
        CHECK(shown.contains(each));
    }
}
