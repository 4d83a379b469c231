#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <evercert/clock.hpp>
#include <evercert/http.hpp>

#include "http/http1_body.hpp"
#include "http/http1_head.hpp"

namespace evercert {

struct http1_limits {
    std::size_t head_max = 0;
    std::size_t body_max = 0;
};

/// HTTP/1.1 (RFC 9112) without I/O: bytes go in, one message comes out. A decoder is for one message; what comes
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
    http1_decoder(http1_limits limits, std::string& body)
        : scanner_{limits.head_max}, content_{body}, body_max_{limits.body_max} {}
    ~http1_decoder() = default;

    virtual std::optional<http1_failure> accept_head(std::string_view text) = 0;
    void expect_body(http1_framing framing) { body_ = http1_body_decoder{framing, body_max_}; }
    void end();
    void refuse(http1_failure why) {
        failure_ = why;
        keep_alive_ = false;
    }

    bool keep_alive_ = false;

private:
    http1_head_scanner scanner_;
    http1_body_decoder body_;
    std::string& content_;
    std::optional<http1_failure> failure_;
    std::size_t body_max_;
    bool head_complete_ = false;
};

class http1_request_decoder final : public http1_decoder {
public:
    explicit http1_request_decoder(http1_limits limits) : http1_decoder{limits, request_.body} {}
    http1_request_decoder(const http1_request_decoder&) = delete;
    http1_request_decoder& operator=(const http1_request_decoder&) = delete;

    /// `target` in origin form (or "*"), `host` from the target or the Host field.
    request& message() noexcept { return request_; }
    /// The client waits for "100 Continue" before it sends the body (RFC 9110, section 10.1.1).
    bool expects_continue() const noexcept { return expects_continue_; }

    /// Longer methods are nobody's (RFC 9112, section 3 wants 501 for those).
    static constexpr std::size_t method_max = 32;

private:
    std::optional<http1_failure> accept_head(std::string_view text) override;
    std::optional<http1_failure> accept_host(const http1_head&);
    std::optional<http1_failure> accept_target(std::string_view target);
    std::optional<http1_failure> accept_expectation(const http1_head&);

    request request_;
    bool expects_continue_ = false;
};

class http1_response_decoder final : public http1_decoder {
public:
    /// `to_head`: the request was a HEAD, whose answer has no body whatever its fields say.
    http1_response_decoder(http1_limits limits, bool to_head)
        : http1_decoder{limits, response_.body}, to_head_{to_head} {}
    http1_response_decoder(const http1_response_decoder&) = delete;
    http1_response_decoder& operator=(const http1_response_decoder&) = delete;

    /// A status below 200 is an interim response: another one follows.
    response& message() noexcept { return response_; }
    /// The peer sends no more: completes a body that goes until then, refuses anything else that is incomplete.
    void feed_end() { end(); }

private:
    std::optional<http1_failure> accept_head(std::string_view text) override;

    response response_;
    bool to_head_;
};

/// A request as it goes over the wire. `target` in origin form. Host and Content-Length are set here.
/// Throws `error` (`errc::http_malformed`) for a method, target or field that would not arrive as it is.
std::string encode_request(const request&, std::string_view target, std::string_view host);

/// A response's head; `to_head` does not change it. The fields that are the server's to set are dropped from the
/// message. Throws `error` (`errc::http_malformed`) for a status or a field that cannot be sent: response
/// splitting ends here.
std::string encode_response_head(const response&, bool keep_alive, wall_time now);

/// RFC 9110, section 6.4.1: answers with these statuses never have a body.
bool has_no_body(int status) noexcept;

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7).
std::string http_date(wall_time);

}  // namespace evercert
