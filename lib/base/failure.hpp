#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <system_error>

namespace evercert {

/// A thrown exception as a value, for those who decide what follows from it.
struct failure {
    std::error_code code;
    std::string text;
    std::optional<std::chrono::seconds> retry_after;
    bool from_ca = false;  ///< a CA said it

    /// `operation_aborted`: that says nothing about the work.
    bool is_cancellation() const;
};

failure describe(std::exception_ptr);

}  // namespace evercert
