#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/http1_head.hpp"

namespace evercert {

/// How the end of a body is known: RFC 9112, section 6.3.
struct http1_framing {
    enum class kind { none, length, chunked, until_close };
    http1_framing::kind how = kind::none;
    std::uint64_t length = 0;
};

/// What Transfer-Encoding and Content-Length say. Anything that another implementation might read in another way is
/// refused: request smuggling lives there. `how` is `none` if neither is present.
std::optional<http1_failure> read_framing(const http1_head&, http1_framing& into);

/// Takes a body out of its framing.
class http1_body_decoder {
public:
    http1_body_decoder() = default;
    http1_body_decoder(http1_framing framing, std::size_t body_max);

    /// Takes what belongs to the body, appends its content to `into`, and returns how many bytes of `data` were taken.
    std::size_t feed(std::string_view data, std::string& into);
    /// The peer sends no more.
    void feed_end();

    bool complete() const noexcept { return state_ == state::complete; }
    const std::optional<http1_failure>& failure() const noexcept { return failure_; }

    /// Chunk extensions of one body in all. Nobody is known to send any.
    static constexpr std::size_t extensions_max = 4 << 10;
    /// Trailer fields of one body in all; they are dropped.
    static constexpr std::size_t trailers_max = 8 << 10;
    /// Digits of a chunk size: 16 say all that 64 bits can.
    static constexpr int size_digits_max = 16;

private:
    enum class state {
        // Data without framing.
        length,
        until_close,
        // Chunks.
        size,
        extension,
        size_lf,
        data,
        data_cr,
        data_lf,
        // What follows the last chunk.
        trailer_start,
        trailer_name,
        trailer_value,
        trailer_lf,
        final_lf,
        complete,
    };

    std::size_t take_data(std::string_view data, std::string& into);
    void accept(char);
    void accept_size(char);
    void accept_trailer(char);
    void expect(char wanted, char got, state next);
    void refuse(std::string_view why, int status = 400) { failure_ = http1_failure{status, why}; }

    std::optional<http1_failure> failure_;
    std::size_t body_max_ = 0;
    std::size_t extensions_size_ = 0;
    std::size_t trailers_size_ = 0;
    std::uint64_t remaining_ = 0;  // of the body or of the chunk
    int digits_ = 0;
    state state_ = state::complete;
};

}  // namespace evercert
