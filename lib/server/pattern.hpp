#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace evercert {

/// One segment of a pattern's path.
struct pattern_segment {
    enum class kind {
        literal,  ///< `text`, decoded
        single,   ///< "{text}"
        rest,     ///< "{text...}", or a slash at the end, which has no name
        end,      ///< "{$}": a slash, and nothing behind it
    };
    kind what = kind::literal;
    std::string text = {};
};

/// What a mux's pattern says.
struct pattern {
    std::string text;  ///< as it was given
    std::string method, host;
    std::vector<pattern_segment> segments;

    bool takes_rest() const noexcept { return segments.back().what == pattern_segment::kind::rest; }
};

/// Throws `error` with `errc::invalid_options`.
pattern parse_pattern(std::string_view text);

/// How the requests that two patterns match relate.
enum class overlap { disjoint, same, more_general, more_specific, partial };

/// Of the first to the second.
overlap compare_paths(const pattern&, const pattern&);
overlap compare(const pattern&, const pattern&);

/// A path that both match, for people; the two must not be disjoint.
std::string common_path(const pattern&, const pattern&);

}  // namespace evercert
