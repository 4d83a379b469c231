#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/http1.hpp"
#include "request_decoder.hpp"

namespace test {

using namespace evercert;

inline constexpr http1_limits small_limits{2048, 1000};

/// Everything that a decoder says about some bytes, so that two ways of feeding can be compared.
struct decoded {
    int failure = 0;  ///< 0 = none
    std::string why;
    bool complete = false;
    bool keep_alive = false;
    std::size_t taken = 0;
    std::string start;  ///< what the start line said
    std::pair<std::string, std::string> first_field;
    std::size_t field_count = 0;
    std::string body;
    friend bool operator==(const decoded&, const decoded&) = default;
};

template <typename Decoder>
void feed_in_pieces(Decoder& decoder, std::string_view bytes, std::size_t piece, decoded& result) {
    while (result.taken < bytes.size() && !decoder.complete() && !decoder.failure())
        result.taken += decoder.feed(bytes.substr(result.taken, piece));
    if (decoder.failure()) {
        result.failure = decoder.failure()->status;
        result.why = decoder.failure()->what;
    }
    result.complete = decoder.complete();
    result.keep_alive = decoder.keep_alive();
}

inline decoded decode_request(std::string_view bytes, std::size_t piece, http1_limits limits = small_limits) {
    request_decoder decoder{limits};
    decoded result;
    feed_in_pieces(decoder, bytes, piece, result);
    if (decoder.head_complete()) {
        auto& message = decoder.message();
        result.start = message.method + " " + message.target + " at " + message.host;
        result.field_count = message.fields.size();
        if (!message.fields.empty())
            result.first_field = *message.fields.begin();
        result.body = message.body.whole();
    }
    return result;
}

inline decoded decode_response(
    std::string_view bytes, std::size_t piece, bool to_head = false, bool end = false,
    http1_limits limits = small_limits) {
    http1_response_decoder decoder{limits, to_head};
    decoded result;
    feed_in_pieces(decoder, bytes, piece, result);
    if (end) {
        decoder.feed_end();
        feed_in_pieces(decoder, {}, 1, result);
    }
    if (decoder.head_complete()) {
        auto& message = decoder.message();
        result.start = std::to_string(message.status);
        result.field_count = message.fields.size();
        if (!message.fields.empty())
            result.first_field = *message.fields.begin();
        result.body = message.body;
    }
    return result;
}

}  // namespace test
