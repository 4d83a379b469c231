#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <evercert/error.hpp>
#include <evercert/failure_class.hpp>

namespace evercert {

/// A thrown exception as a value, for those who decide what follows from it.
struct failure {
    std::error_code code;
    std::string text;
    std::optional<std::chrono::seconds> retry_after;
    bool from_ca = false;  ///< a CA said it
    failure_class kind = failure_class::local;
    /// What made the class if a CA said it: the type of a problem document with its HTTP status, or the type of the worst
    /// of its subproblems.
    std::string problem_type = {};
    int problem_status = 0;

    /// `operation_aborted`: that says nothing about the work.
    bool is_cancellation() const;
};

failure describe(std::exception_ptr);

/// The class of an error with this code, and with this problem document if `said` is not null.
failure_class class_of(const std::error_code&, const problem* said) noexcept;
/// Of the document's own type and those of its subproblems the one that decides.
std::string_view deciding_type(const problem&) noexcept;

}  // namespace evercert
