#include <array>
#include <chrono>
#include <cstdio>

#include <fmt/chrono.h>

#include <evercert/clock.hpp>
#include <evercert/log.hpp>

namespace evercert {
namespace {

constexpr std::array<std::string_view, 6> names{"trace", "debug", "info", "warning", "error", "off"};

}  // namespace

std::optional<log_level> parse_log_level(std::string_view text) noexcept {
    for (std::size_t i = 0; i < names.size(); ++i)
        if (text == names[i])
            return static_cast<log_level>(i);
    return {};
}

std::string_view to_string(log_level level) noexcept { return names[static_cast<std::size_t>(level)]; }

std::function<void(log_level, std::string_view)> log_to_stderr() {
    return [time = system_clock()](log_level level, std::string_view text) {
        const auto now = std::chrono::floor<std::chrono::milliseconds>(time->wall());
        const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
        const auto line = fmt::format(
            "{:%Y-%m-%dT%H:%M:%S}.{:03}Z {} {}\n", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
            (now - seconds).count(), to_string(level), text);
        std::fwrite(line.data(), 1, line.size(), stderr);  // one write, so that threads do not mix lines
    };
}

}  // namespace evercert
