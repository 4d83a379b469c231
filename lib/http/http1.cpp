#include "http/http1.hpp"

#include <algorithm>

#include "http/ascii.hpp"
#include "http/url.hpp"

namespace evercert {

bool has_no_body(int status) noexcept { return status < 200 || status == 204 || status == 304; }

// --- requests

namespace {

std::optional<http1_failure> accept_host(const http1_known_fields& known, int version, request& into) {
    if (known.host.count > 1)
        return http1_failure{400, "two Host fields (RFC 9112, section 3.2)"};
    if (known.host.count == 0) {
        if (version >= 11)
            return http1_failure{400, "no Host field (RFC 9112, section 3.2)"};
        return {};
    }
    if (known.host.first.empty())
        return {};
    auto where = parse_authority(known.host.first);
    if (!where)
        return http1_failure{400, "not a host (RFC 9112, section 3.2)"};
    into.host = std::move(where->host);
    return {};
}

// RFC 9112, section 3.2: origin-form, absolute-form, asterisk-form; authority-form is CONNECT's alone.
std::optional<http1_failure> accept_target(std::string_view target, request& into) {
    if (!is_request_target(target))
        return http1_failure{400, "not a request target (RFC 9112, section 3.2)"};
    if (target.starts_with('/')) {
        into.target = target;
        return {};
    }
    if (target == "*") {
        if (into.method != "OPTIONS")
            return http1_failure{400, "a target of OPTIONS alone (RFC 9112, section 3.2.4)"};
        into.target = target;
        return {};
    }
    auto absolute = parse_url(target);
    if (!absolute)
        return http1_failure{400, "not a request target (RFC 9112, section 3.2)"};
    // Section 3.2.2: the Host field is ignored then.
    into.host = std::move(absolute->host);
    into.target = std::move(absolute->target);
    return {};
}

}  // namespace

std::optional<http1_failure> read_request_head(std::string text, const http1_limits& limits, http1_request& into) {
    http1_head head;
    if (auto failed = parse_request_head(text, limits.fields_max, head))
        return failed;
    if (head.method.size() > http1_method_max)
        return http1_failure{501, "a method longer than the bound (RFC 9112, section 3)"};
    if (head.method == "CONNECT")
        return http1_failure{501, "CONNECT, and this is no proxy (RFC 9110, section 9.3.6)"};
    into.message.method = head.method;
    const std::string target{head.target};
    into.message.fields = fields{std::move(text), std::move(head.places)};
    const auto known = find_known_fields(into.message.fields);
    if (auto failed = accept_host(known, head.version, into.message))
        return failed;
    if (auto failed = accept_target(target, into.message))
        return failed;
    if (auto failed = read_framing(known, head.version, into.framing))
        return failed;
    into.has_chunks = head.version >= 11;
    if (into.has_chunks && known.expects_unknown)
        return http1_failure{417, "an unknown expectation (RFC 9110, section 10.1.1)"};
    into.expects_continue = into.has_chunks && known.expects_continue && into.framing.how != http1_framing::kind::none;
    // RFC 9112, section 9.3. The keep-alive of HTTP/1.0 is not honoured, as that section allows.
    into.keep_alive = into.has_chunks && !known.close;
    return {};
}

// --- whole messages

std::size_t http1_decoder::feed_head(std::string_view data) {
    const auto before = head_.size();
    head_.append(data);
    scanner_.scan(head_);
    if (scanner_.failure()) {
        refuse(*scanner_.failure());
        return std::min(scanner_.end() + 1, head_.size()) - std::min(scanner_.end() + 1, before);
    }
    if (!scanner_.complete())
        return data.size();
    const auto taken = scanner_.end() - before;
    auto failed = accept_head(head_.substr(scanner_.begin(), scanner_.end() - scanner_.begin()));
    std::string{}.swap(head_);
    head_complete_ = !failed;
    if (failed)
        refuse(*failed);
    else if (body_.failure())
        refuse(*body_.failure());
    return taken;
}

std::size_t http1_decoder::feed(std::string_view data) {
    std::size_t taken = 0;
    if (!head_complete_ && !failure_)
        taken = feed_head(data);
    while (head_complete_ && !failure_ && !body_.complete() && taken < data.size()) {
        const auto piece = body_.next(data.substr(taken));
        content_.append(piece.content);
        taken += piece.taken;
        if (body_.failure())
            refuse(*body_.failure());
    }
    return taken;
}

void http1_decoder::end() {
    keep_alive_ = false;
    if (failure_ || complete())
        return;
    if (!head_complete_)
        return refuse({400, "an incomplete head (RFC 9112, section 8)"});
    body_.feed_end();
    if (body_.failure())
        refuse(*body_.failure());
}

std::optional<http1_failure> http1_response_decoder::accept_head(std::string text) {
    http1_head head;
    if (auto failed = parse_response_head(text, limits_.fields_max, head))
        return failed;
    // Nobody asked to switch protocols.
    if (head.status < 100 || head.status > 599 || head.status == 101)
        return http1_failure{502, "not a status to expect (RFC 9110, section 15)"};
    response_.status = head.status;
    response_.fields = fields{std::move(text), std::move(head.places)};
    const auto known = find_known_fields(response_.fields);
    http1_framing framing;
    if (auto failed = read_framing(known, head.version, framing))
        return failed;

    keep_alive_ = head.version >= 11 && !known.close;
    if (to_head_ || has_no_body(head.status)) {
        framing = http1_framing{};
    } else if (framing.how == http1_framing::kind::none) {
        framing.how = http1_framing::kind::until_close;
        keep_alive_ = false;
    }
    expect_body(framing);
    return {};
}

response& http1_response_decoder::message() {
    response_.body.append(content_);
    content_.clear();
    if (body_.complete())
        response_.trailers = body_.trailers();
    return response_;
}

}  // namespace evercert
