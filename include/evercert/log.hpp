#pragma once

#include <functional>
#include <optional>
#include <string_view>

namespace evercert {

enum class log_level { trace, debug, info, warning, error, off };

/// "trace" … "off" to the level; nothing for any other text.
std::optional<log_level> parse_log_level(std::string_view) noexcept;
std::string_view to_string(log_level) noexcept;

/// Where log lines go. A line below `level` is never formatted. `sink` is called from whatever
/// thread does the work, must be thread-safe if the io_context has several threads, and must not
/// block for long; what it throws is ignored. Lines are single, printable lines without time or end
/// of line. Without a sink nothing is logged.
struct log_options {
    log_level level = log_level::info;
    std::function<void(log_level, std::string_view)> sink = {};
};

/// A sink that writes "2026-01-31T12:00:00.000Z info text" lines to standard error.
std::function<void(log_level, std::string_view)> log_to_stderr();

}  // namespace evercert
