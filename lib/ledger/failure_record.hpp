#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include <evercert/clock.hpp>
#include <evercert/failure_class.hpp>
#include <evercert/identifier.hpp>

#include "base/failure.hpp"

namespace evercert {

/// What is remembered of the last failure of a certificate.
struct failure_record {
    failure_class kind = failure_class::server;
    std::string text = {};          ///< printable, one line, bounded
    std::string code = {};          ///< as `to_name(error_code)`; empty if it was no `std::system_error`
    std::string problem_type = {};  ///< as in `failure`
    int problem_status = 0;
    wall_time at = {};
    int failures = 0;  ///< in a row
    wall_time retry_at = {};
    /// Until when the CA's `Retry-After` or a limit forbids another attempt: nobody tries earlier than that, whatever is at
    /// stake. {} = it did not say.
    wall_time ordered_until = {};
    std::vector<identifier> names = {};  ///< of a set; empty if the key is the name
    std::string account = {};            ///< whose attempt it was; empty if none was there yet

    bool ordered() const noexcept { return ordered_until > at; }
};

/// Enough for a CA's reason with a few subproblems.
inline constexpr std::size_t failure_text_size_max = 2048;

/// As many as a certificate has.
inline constexpr std::size_t failure_names_max = 100;

/// With the texts brought into bounds; it says to try again at once.
failure_record make_record(const failure&, wall_time now);

boost::json::object to_json(const failure_record&);
/// Nothing if it is damaged.
std::optional<failure_record> read_failure(const boost::json::object&);

/// An `error` as the one that was remembered: the same code and class, its text with "(tried 5 min ago; next attempt in
/// 5 min)", the time to wait as `retry_after`. Of a problem document there is only the type that decided.
std::exception_ptr as_exception(const failure_record&, wall_time now);

}  // namespace evercert
