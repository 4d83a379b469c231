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

/// The fields that decide how a message is read, found in one pass.
struct http1_known_fields {
    struct found {
        int count = 0;
        std::string_view first;
    };
    found host;
    found transfer_encoding;
    found content_length;
    bool close = false;  ///< "Connection: close"
    bool expects_continue = false;
    bool expects_unknown = false;
};

http1_known_fields find_known_fields(const fields&);

/// What Transfer-Encoding and Content-Length say. Anything that another implementation might read in another way is
/// refused: request smuggling lives there. `how` is `none` if neither is present.
std::optional<http1_failure> read_framing(const http1_known_fields&, int version, http1_framing& into);

/// What a step of decoding a body came to.
struct http1_piece {
    std::size_t taken = 0;          ///< bytes of the input
    std::string_view content = {};  ///< in the input
};

/// Takes a body out of its framing, without copying it.
class http1_body_decoder {
public:
    /// Of no body.
    http1_body_decoder() = default;
    http1_body_decoder(http1_framing framing, std::uint64_t body_max);

    /// Takes what belongs to the body, up to the end of the first run of content in it.
    http1_piece next(std::string_view data);
    /// The peer sends no more.
    void feed_end();

    bool complete() const noexcept { return state_ == state::complete; }
    /// What is still to come of a body of known length; nothing for another.
    std::optional<std::uint64_t> rest() const noexcept;
    /// After the end. RFC 9110, section 6.5.1: without those that would change how the message is read.
    const evercert::fields& trailers() const noexcept { return trailers_; }
    const std::optional<http1_failure>& failure() const noexcept { return failure_; }

    /// Chunk extensions of one body in all. Nobody is known to send any.
    static constexpr std::size_t extensions_max = 4 << 10;
    /// Trailer fields of one body in all.
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

    http1_piece take_data(std::string_view data, std::size_t at);
    void accept(char);
    void accept_size(char);
    void accept_trailer(char);
    void end_trailers();
    void expect(char wanted, char got, state next);
    void refuse(std::string_view why, int status = 400) { failure_ = http1_failure{status, why}; }

    std::optional<http1_failure> failure_;
    std::uint64_t body_max_ = 0;
    std::size_t extensions_size_ = 0;
    std::string trailers_text_;
    evercert::fields trailers_;
    std::uint64_t remaining_ = 0;  // of the body or of the chunk
    int digits_ = 0;
    state state_ = state::complete;
};

}  // namespace evercert
