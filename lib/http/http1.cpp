#include "http/http1.hpp"

#include <algorithm>

#include "http/ascii.hpp"
#include "http/url.hpp"

namespace evercert {

namespace {

bool has_token(const fields& fields, std::string_view name, std::string_view token) {
    for (std::string_view list : fields.all(name)) {
        while (!list.empty()) {
            const auto comma = std::min(list.find(','), list.size());
            if (equals_ignoring_case(trim(list.substr(0, comma)), token))
                return true;
            list.remove_prefix(std::min(comma + 1, list.size()));
        }
    }
    return false;
}

// RFC 9112, section 9.3. The keep-alive of HTTP/1.0 is not honoured, as that section allows.
bool is_persistent(const http1_head& head) {
    return head.version >= 11 && !has_token(head.fields, "Connection", "close");
}

}  // namespace

bool has_no_body(int status) noexcept { return status < 200 || status == 204 || status == 304; }

// --- what both directions share

std::size_t http1_decoder::feed(std::string_view data) {
    std::size_t taken = 0;
    if (!head_complete_ && !failure_) {
        taken = scanner_.feed(data);
        failure_ = scanner_.failure();
        if (!scanner_.complete())
            return taken;
        failure_ = accept_head(scanner_.text());
        head_complete_ = !failure_;
        if (failure_)
            keep_alive_ = false;
        else if (body_.failure())
            refuse(*body_.failure());
    }
    if (head_complete_ && !failure_ && !body_.complete()) {
        taken += body_.feed(data.substr(taken), content_);
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

// --- requests

std::optional<http1_failure> http1_request_decoder::accept_head(std::string_view text) {
    http1_head head;
    if (auto failed = parse_request_head(text, head))
        return failed;
    if (head.method.size() > method_max)
        return http1_failure{501, "a method longer than the bound (RFC 9112, section 3)"};
    if (head.method == "CONNECT")
        return http1_failure{501, "CONNECT, and this is no proxy (RFC 9110, section 9.3.6)"};
    request_.method = std::move(head.method);

    if (auto failed = accept_host(head))
        return failed;
    if (auto failed = accept_target(head.target))
        return failed;
    http1_framing framing;
    if (auto failed = read_framing(head, framing))
        return failed;
    if (auto failed = accept_expectation(head))
        return failed;
    expects_continue_ = expects_continue_ && framing.how != http1_framing::kind::none;
    keep_alive_ = is_persistent(head);
    request_.fields = std::move(head.fields);
    expect_body(framing);
    return {};
}

std::optional<http1_failure> http1_request_decoder::accept_host(const http1_head& head) {
    const auto hosts = head.fields.all("Host");
    if (hosts.size() > 1)
        return http1_failure{400, "two Host fields (RFC 9112, section 3.2)"};
    if (hosts.empty()) {
        if (head.version >= 11)
            return http1_failure{400, "no Host field (RFC 9112, section 3.2)"};
        return {};
    }
    if (hosts.front().empty())
        return {};
    auto where = parse_authority(hosts.front());
    if (!where)
        return http1_failure{400, "not a host (RFC 9112, section 3.2)"};
    request_.host = std::move(where->host);
    return {};
}

// RFC 9112, section 3.2: origin-form, absolute-form, asterisk-form; authority-form is CONNECT's alone.
std::optional<http1_failure> http1_request_decoder::accept_target(std::string_view target) {
    if (!is_request_target(target))
        return http1_failure{400, "not a request target (RFC 9112, section 3.2)"};
    if (target.starts_with('/')) {
        request_.target = target;
        return {};
    }
    if (target == "*") {
        if (request_.method != "OPTIONS")
            return http1_failure{400, "a target of OPTIONS alone (RFC 9112, section 3.2.4)"};
        request_.target = target;
        return {};
    }
    auto absolute = parse_url(target);
    if (!absolute)
        return http1_failure{400, "not a request target (RFC 9112, section 3.2)"};
    // Section 3.2.2: the Host field is ignored then.
    request_.host = std::move(absolute->host);
    request_.target = std::move(absolute->target);
    return {};
}

std::optional<http1_failure> http1_request_decoder::accept_expectation(const http1_head& head) {
    if (head.version < 11 || !head.fields.has("Expect"))
        return {};
    for (const auto expectation : head.fields.all("Expect"))
        if (!equals_ignoring_case(expectation, "100-continue"))
            return http1_failure{417, "an unknown expectation (RFC 9110, section 10.1.1)"};
    expects_continue_ = true;
    return {};
}

// --- responses

std::optional<http1_failure> http1_response_decoder::accept_head(std::string_view text) {
    http1_head head;
    if (auto failed = parse_response_head(text, head))
        return failed;
    // Nobody asked to switch protocols.
    if (head.status < 100 || head.status > 599 || head.status == 101)
        return http1_failure{502, "not a status to expect (RFC 9110, section 15)"};
    http1_framing framing;
    if (auto failed = read_framing(head, framing))
        return failed;

    keep_alive_ = is_persistent(head);
    if (to_head_ || has_no_body(head.status)) {
        framing = http1_framing{};
    } else if (framing.how == http1_framing::kind::none) {
        framing.how = http1_framing::kind::until_close;
        keep_alive_ = false;
    }
    response_.status = head.status;
    response_.fields = std::move(head.fields);
    expect_body(framing);
    return {};
}

}  // namespace evercert
