#include <stdexcept>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "catch.hpp"

using namespace evercert;

namespace {

struct counts_formatting {
    int* formatted;
};

}  // namespace

template <>
struct fmt::formatter<counts_formatting> : fmt::formatter<int> {
    auto format(const counts_formatting& value, format_context& context) const {
        return fmt::formatter<int>::format(++*value.formatted, context);
    }
};

TEST_CASE("a line below the level is never formatted") {
    std::vector<std::string> lines;
    int formatted = 0;
    const logger log{{log_level::warning, [&](log_level, std::string_view text) { lines.emplace_back(text); }}};
    log(log_level::info, "{}", counts_formatting{&formatted});
    CHECK(formatted == 0);
    log(log_level::error, "no. {}", counts_formatting{&formatted});
    CHECK(formatted == 1);
    CHECK(lines == std::vector<std::string>{"no. 1"});
}

TEST_CASE("a logger without a sink is silent, and one whose sink throws does no harm") {
    logger{}(log_level::error, "{}", 1);
    int called = 0;
    const logger log{{log_level::trace, [&](log_level, std::string_view) {
                          ++called;
                          throw std::runtime_error{"disk full"};
                      }}};
    log(log_level::error, "{}", 1);
    CHECK(called == 1);
}

TEST_CASE("level names are read and written") {
    CHECK(parse_log_level("debug") == log_level::debug);
    CHECK(parse_log_level("off") == log_level::off);
    CHECK_FALSE(parse_log_level("Debug"));
    CHECK_FALSE(parse_log_level(""));
    CHECK(to_string(log_level::warning) == "warning");
}
