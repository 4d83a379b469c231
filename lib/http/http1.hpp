#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <evercert/clock.hpp>
#include <evercert/http.hpp>

#include "http/http1_body.hpp"
#include "http/http1_head.hpp"
#include "http/http_date.hpp"

namespace evercert {

// HTTP/1.1 (RFC 9112) without I/O.

/// What the head of a request came to.
struct http1_request {
    request message;  ///< `target` in origin form (or "*"), `host` from the target or the Host field
    http1_framing framing = {};
    /// The connection may carry another request after this one (section 9.3).
    bool keep_alive = false;
    /// The client waits for "100 Continue" before it sends the body (RFC 9110, section 10.1.1).
    bool expects_continue = false;
    bool has_chunks = false;  ///< it may be answered in chunks: not HTTP/1.0
};

/// `text` is a whole head that went through the scanner; the fields keep it.
std::optional<http1_failure> read_request_head(std::string text, const http1_limits&, http1_request& into);

/// Longer methods are nobody's (RFC 9112, section 3 wants 501 for those).
inline constexpr std::size_t http1_method_max = 32;

/// Reads a message as a whole: bytes go in, one message comes out. A decoder is for one message; what comes
/// after it stays with the caller. After a failure nothing more can be read from the connection.
class http1_decoder {
public:
    /// Takes what belongs to this message and returns how many bytes that were: fewer than offered
    /// once the message is complete or refused.
    std::size_t feed(std::string_view data);

    /// A byte of the message has come. An empty line before it does not count.
    bool started() const noexcept { return scanner_.started(); }
    bool head_complete() const noexcept { return head_complete_; }
    bool complete() const noexcept { return head_complete_ && !failure_ && body_.complete(); }
    const std::optional<http1_failure>& failure() const noexcept { return failure_; }
    /// The connection may carry another message after this one (RFC 9112, section 9.3). True only of a message whose
    /// head is complete and good.
    bool keep_alive() const noexcept { return keep_alive_; }

protected:
    explicit http1_decoder(http1_limits limits) : limits_{limits}, scanner_{limits} {}
    ~http1_decoder() = default;

    virtual std::optional<http1_failure> accept_head(std::string text) = 0;
    void expect_body(http1_framing framing) { body_ = http1_body_decoder{framing, limits_.body_max}; }
    void end();
    void refuse(http1_failure why) {
        failure_ = why;
        keep_alive_ = false;
    }

    const http1_limits limits_;
    bool keep_alive_ = false;
    std::string content_;
    http1_body_decoder body_;

private:
    std::size_t feed_head(std::string_view data);

    http1_head_scanner scanner_;
    std::string head_;
    std::optional<http1_failure> failure_;
    bool head_complete_ = false;
};

class http1_response_decoder final : public http1_decoder {
public:
    /// `to_head`: the request was a HEAD, whose answer has no body whatever its fields say.
    http1_response_decoder(http1_limits limits, bool to_head) : http1_decoder{limits}, to_head_{to_head} {}
    http1_response_decoder(const http1_response_decoder&) = delete;
    http1_response_decoder& operator=(const http1_response_decoder&) = delete;

    /// A status below 200 is an interim response: another one follows. With the body as far as it has come.
    response& message();
    /// The peer sends no more: completes a body that goes until then, refuses anything else that is incomplete.
    void feed_end() { end(); }

private:
    std::optional<http1_failure> accept_head(std::string text) override;

    response response_;
    bool to_head_;
};

/// A request as it goes over the wire. `target` in origin form. Host and Content-Length are set here.
/// Throws `error` (`errc::http_malformed`) for a method, target or field that would not arrive as it is.
std::string encode_request(const request&, std::string_view target, std::string_view host);

/// How the end of an answer's body is told.
enum class http1_ending { length, chunked, close };

struct http1_answer_framing {
    http1_ending how = http1_ending::length;
    std::uint64_t length = 0;
    bool keep_alive = true;
};

/// A response's head, appended to `to`. The fields that are the server's to set are dropped from the
/// message. Throws `error` (`errc::http_malformed`) for a status or a field that cannot be sent: response
/// splitting ends here; then `to` is as it was.
void encode_response_head(std::string& to, const response&, const http1_answer_framing&, wall_time now);
/// The head of a response with its whole body.
std::string encode_response_head(const response&, bool keep_alive, wall_time now);
/// "name: value" lines and the empty one that ends them. Throws as above.
void encode_trailers(std::string& to, const fields&);

/// RFC 9110, section 6.4.1: answers with these statuses never have a body.
bool has_no_body(int status) noexcept;

}  // namespace evercert
