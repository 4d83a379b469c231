#pragma once

#include <fmt/format.h>

#include <evercert/log.hpp>

namespace evercert {

/// The library's side of `log_options`: formats only what is wanted, never throws.
class logger {
public:
    logger() = default;
    explicit logger(log_options options) : options_{std::move(options)} {}

    bool wants(log_level level) const noexcept {
        return options_.sink && level >= options_.level && level != log_level::off;
    }

    template <typename... Args>
    void operator()(log_level level, fmt::format_string<Args...> format, Args&&... args) const noexcept {
        if (!wants(level))
            return;
        try {
            options_.sink(level, fmt::format(format, std::forward<Args>(args)...));
        } catch (...) {
            // A sink that fails must not end the work it reports on.
        }
    }

private:
    log_options options_;
};

}  // namespace evercert
