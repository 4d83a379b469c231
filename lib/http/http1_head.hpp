#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <evercert/http.hpp>

namespace evercert {

/// Why a message is refused. `status` is what a server answers; a client only sees that the peer is not to be
/// understood. `what` is static text and names the section of the RFC.
struct http1_failure {
    int status = 400;
    std::string_view what;
};

/// Collects the bytes of a head and refuses what no parser may be lenient about, as soon as it comes: bare CR and
/// bare LF, NUL and other control characters, folded lines. Boost.Beast has unfolded lines before it hands them
/// out.
class http1_head_scanner {
public:
    explicit http1_head_scanner(std::size_t head_max) : head_max_{head_max} {}

    /// Takes what belongs to the head and returns how many bytes that were.
    std::size_t feed(std::string_view data);

    bool started() const noexcept { return !text_.empty(); }
    bool complete() const noexcept { return complete_; }
    const std::optional<http1_failure>& failure() const noexcept { return failure_; }
    /// With the empty line that ends it.
    const std::string& text() const noexcept { return text_; }

private:
    bool accept(char);
    void refuse(std::string_view why, int status = 400) { failure_ = http1_failure{status, why}; }

    std::string text_;
    std::size_t head_max_;
    std::size_t line_size_ = 0;
    std::optional<http1_failure> failure_;
    char previous_ = '\n';
    bool first_line_ = true;
    bool skipped_line_ = false;
    bool complete_ = false;
};

/// A head by its parts, as they stood on the wire.
struct http1_head {
    std::string method, target;  ///< of a request
    int status = 0;              ///< of a response
    int version = 11;            ///< 10 or 11
    evercert::fields fields;

    /// A head with more fields than this is refused: browsers send 20, proxies add 10.
    static constexpr std::size_t fields_max = 100;
};

/// `text` is a whole head that went through the scanner.
std::optional<http1_failure> parse_request_head(std::string_view text, http1_head& into);
std::optional<http1_failure> parse_response_head(std::string_view text, http1_head& into);

}  // namespace evercert
