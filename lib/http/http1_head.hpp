#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <evercert/http.hpp>

namespace evercert {

/// Why a message is refused. `status` is what a server answers; a client only sees that the peer is not to be
/// understood. `what` is static text and names the section of the RFC.
struct http1_failure {
    int status = 400;
    std::string_view what;
};

struct http1_limits {
    std::size_t head_max = 0;
    std::size_t body_max = 0;  ///< of a whole body
    std::size_t field_max = 16 << 10;
    std::size_t fields_max = 100;
};

/// Finds the end of a head, and refuses what no parser may be lenient about as soon as it comes: bare CR and
/// bare LF, NUL and other control characters, folded lines, what is too long.
class http1_head_scanner {
public:
    explicit http1_head_scanner(const http1_limits& limits)
        : head_max_{limits.head_max}, field_max_{limits.field_max} {}

    /// `input` is all that came so far: what was seen before is not looked at again. Stops at the end of the head.
    void scan(std::string_view input);

    /// A byte of the message has come. An empty line before it does not count.
    bool started() const noexcept { return at_ > begin_; }
    bool complete() const noexcept { return complete_; }
    const std::optional<http1_failure>& failure() const noexcept { return failure_; }
    /// Where the head begins and, once it is complete, ends, with the empty line; or where it was refused.
    std::size_t begin() const noexcept { return begin_; }
    std::size_t end() const noexcept { return at_; }

private:
    bool scan_line(std::string_view input);
    bool end_line();
    bool refuse(std::string_view why, int status = 400) {
        failure_ = http1_failure{status, why};
        return false;
    }

    std::size_t head_max_;
    std::size_t field_max_;
    std::size_t at_ = 0;
    std::size_t begin_ = 0;
    std::size_t line_ = 0;  ///< where the line begins
    std::optional<http1_failure> failure_;
    bool first_line_ = true;
    bool complete_ = false;
};

/// A head by its parts. `method` and `target` refer to the text that was parsed.
struct http1_head {
    std::string_view method, target;  ///< of a request
    int status = 0;                   ///< of a response
    int version = 11;                 ///< 10 or 11
    std::vector<evercert::fields::place> places = {};
};

/// `text` is a whole head that went through the scanner.
std::optional<http1_failure> parse_request_head(std::string_view text, std::size_t fields_max, http1_head& into);
std::optional<http1_failure> parse_response_head(std::string_view text, std::size_t fields_max, http1_head& into);

}  // namespace evercert
