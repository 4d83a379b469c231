#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <evercert/clock.hpp>
#include <evercert/http_fields.hpp>

namespace evercert {

/// What is known of a representation: RFC 9110, section 8.8.
struct validators {
    std::string_view etag;  ///< with its quotes; a strong one
    wall_time modified;
};

enum class condition { fulfilled, not_modified, failed };

/// RFC 9110, section 13.2.2, for GET and HEAD: the order in which conditions count.
condition evaluate_conditions(const fields&, const validators&);

struct byte_range {
    std::uint64_t first = 0;
    std::uint64_t size = 0;
};

enum class range_answer { whole, part, unsatisfiable };

/// What a request for a part of `size` bytes gets: RFC 9110, section 14. Several ranges are ignored, and what is no range.
range_answer choose_range(const fields&, const validators&, std::uint64_t size, byte_range& into);

}  // namespace evercert
