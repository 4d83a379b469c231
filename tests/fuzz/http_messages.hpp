#pragma once

#include <string_view>

#include "fuzz.hpp"
#include "http/http1.hpp"

namespace fuzz {

inline constexpr evercert::http1_limits limits{2'000, 1'000};

/// Feeds in pieces of this size; returns how many bytes were taken.
inline std::size_t feed(evercert::http1_decoder& decoder, std::string_view input, std::size_t piece) {
    std::size_t taken = 0;
    while (taken < input.size() && !decoder.complete() && !decoder.failure()) {
        const auto offered = input.substr(taken, piece);
        const auto used = decoder.feed(offered);
        must(used <= offered.size(), "no more is taken than there is");
        must(used > 0 || decoder.complete() || decoder.failure(), "a decoder that wants more takes what there is");
        taken += used;
    }
    return taken;
}

inline bool same(const evercert::fields& a, const evercert::fields& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
        return one.first == other.first && one.second == other.second;
    });
}

inline std::size_t size_of(const std::string& body) { return body.size(); }
inline std::size_t size_of(const evercert::request_body& body) { return body.whole().size(); }

template <typename Decoder>
void check_bounds(Decoder& decoder) {
    must(!(decoder.complete() && decoder.failure()), "a message is complete or refused");
    must(size_of(decoder.message().body) <= limits.body_max, "a body is bounded");
    must(!decoder.failure() || !decoder.keep_alive(), "a refused message ends the connection");
}

}  // namespace fuzz
