#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "fuzz.hpp"
#include "http/http1_body.hpp"
#include "http_messages.hpp"

namespace fuzz {

/// Sizes of pieces that are drawn from the input itself, so that the same input is the same test.
class splits {
public:
    splits(std::string_view seed, std::size_t piece_max) : piece_max_{piece_max} {
        for (const char c : seed)
            state_ = (state_ ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
    }
    std::size_t next() {
        state_ = state_ * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
        return 1 + (state_ >> 33U) % piece_max_;
    }

private:
    std::uint64_t state_ = 14'695'981'039'346'656'037U;
    std::size_t piece_max_;
};

/// A body as the server reads it: as it comes, in whatever pieces, and kept by nobody but the handler.
struct streamed_body {
    std::string content;
    std::size_t taken = 0;
    bool complete = false;
    int failure = 0;
    evercert::fields trailers;
};

inline streamed_body stream(evercert::http1_framing framing, std::string_view input, splits pieces) {
    // As `server_exchange` has it: time bounds a stream, and the handler.
    evercert::http1_body_decoder decoder{framing, std::numeric_limits<std::uint64_t>::max()};
    streamed_body result;
    while (result.taken < input.size() && !decoder.complete() && !decoder.failure()) {
        const auto offered = input.substr(result.taken, pieces.next());
        const auto rest = decoder.rest();
        const auto piece = decoder.next(offered);
        must(piece.taken > 0 && piece.taken <= offered.size(), "a body takes something, and no more than there is");
        must(piece.content.size() <= piece.taken, "content is a part of what was taken");
        if (rest)
            must(decoder.rest() == *rest - piece.content.size(), "what is left of a length is less by what has come");
        result.content += piece.content;
        result.taken += piece.taken;
    }
    result.complete = decoder.complete();
    result.failure = decoder.failure() ? decoder.failure()->status : 0;
    result.trailers = decoder.trailers();
    must(!(result.complete && result.failure != 0), "a body is complete or refused");
    if (result.complete || result.failure != 0)
        must(decoder.next("0\r\n\r\nGET").taken == 0, "nothing is taken after the end");
    must(!result.complete || decoder.rest() == 0U, "nothing is left of a body that is complete");
    std::size_t size = 0;
    for (const auto& [name, value] : result.trailers) {
        must(name != "Host" && name != "Content-Length", "no trailer changes how the message was read");
        size += name.size() + value.size();
    }
    must(size <= evercert::http1_body_decoder::trailers_max, "trailers are bounded");
    return result;
}

inline void check_same(const streamed_body& a, const streamed_body& b) {
    must(a.content == b.content, "pieces make the same body");
    must(a.taken == b.taken, "pieces end where the whole does");
    must(a.complete == b.complete && a.failure == b.failure, "pieces are refused as the whole");
    must(same(a.trailers, b.trailers), "pieces have the same trailers");
}

/// The content in chunks of drawn sizes, some with an extension.
inline std::string in_chunks(std::string_view content, splits sizes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string wire;
    while (!content.empty()) {
        const auto size = std::min(sizes.next(), content.size());
        std::string hex;
        for (auto rest = size; rest > 0; rest /= 16)
            hex.insert(hex.begin(), digits[rest % 16]);
        wire += hex;
        if (size == 3)
            wire += ";x=\"\\\"\"";
        wire += "\r\n";
        wire += content.substr(0, size);
        wire += "\r\n";
        content.remove_prefix(size);
    }
    return wire + "0\r\nSum: 1\r\n\r\n";
}

/// What is after a head, by the framing that the head gives it, and what is written in chunks.
inline streamed_body check_stream(evercert::http1_framing framing, std::string_view input) {
    auto whole = stream(framing, input, {input, std::numeric_limits<std::uint32_t>::max()});
    for (const std::size_t piece_max : {1U, 3U, 20U, 300U})
        check_same(stream(framing, input, {input, piece_max}), whole);
    evercert::http1_framing chunked;
    chunked.how = evercert::http1_framing::kind::chunked;
    // More chunks than that have more extensions than a body may.
    const auto content = input.substr(0, 1'000);
    const auto wire = in_chunks(content, {input, 40});
    const auto again = stream(chunked, wire + "GET", {input, 10});
    must(again.complete && again.taken == wire.size(), "what is written in chunks is read to its end");
    must(again.content == content, "what is written in chunks is the same");
    must(again.trailers.get("sum") == "1", "a trailer comes after its body");
    return whole;
}

}  // namespace fuzz
