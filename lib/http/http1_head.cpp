#include "http/http1_head.hpp"

#include <algorithm>
#include <utility>

#include <boost/beast/http/basic_parser.hpp>

#include "http/ascii.hpp"

namespace evercert {

// --- the scanner

std::size_t http1_head_scanner::feed(std::string_view data) {
    std::size_t taken = 0;
    while (taken < data.size() && !complete_ && !failure_)
        if (!accept(data[taken++]))
            break;
    return taken;
}

bool http1_head_scanner::accept(char c) {
    if (text_.size() == head_max_) {
        // RFC 9112, section 3: a request line that is too long is not the fields' fault.
        if (first_line_)
            refuse("the first line is longer than the bound (RFC 9112, section 3)", 414);
        else
            refuse("the fields are longer than the bound (RFC 6585, section 5)", 431);
        return false;
    }
    text_.push_back(c);
    const char before = std::exchange(previous_, c);
    if (before == '\r' && c != '\n')
        refuse("a CR without LF (RFC 9112, section 2.2)");
    else if (c == '\n' && before != '\r')
        refuse("a LF without CR (RFC 9112, section 2.2)");
    else if (line_size_ == 0 && (c == ' ' || c == '\t'))
        refuse("a line that begins with white space (RFC 9112, sections 2.2 and 5.2)");
    else if (c != '\r' && c != '\n' && !is_field_char(c))
        refuse("a control character (RFC 9110, section 5.5)");
    if (failure_)
        return false;

    if (c != '\n') {
        line_size_ += c != '\r';
        return true;
    }
    const bool empty = std::exchange(line_size_, 0) == 0;
    if (!empty) {
        first_line_ = false;
    } else if (!first_line_) {
        complete_ = true;
    } else if (!skipped_line_) {
        // RFC 9112, section 2.2: some clients send an empty line after a body. One is let pass.
        skipped_line_ = true;
        text_.clear();
    } else {
        refuse("empty lines instead of a message (RFC 9112, section 2.2)");
    }
    return true;
}

// --- the parser

namespace {

namespace http = boost::beast::http;
namespace beast = boost::beast;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

/// Boost.Beast's parser, used for heads alone: its bodies merge trailers into the fields, and throw for
/// a long one.
template <bool IsRequest>
class head_parser final : public http::basic_parser<IsRequest> {
public:
    head_parser(http1_head& into, std::size_t size) : head_{into} {
        this->skip(true);
        this->header_limit(static_cast<std::uint32_t>(size));
    }

    std::optional<http1_failure> failure;

private:
    using error_code = beast::error_code;

    void on_request_impl(
        http::verb, beast::string_view method, beast::string_view target, int version, error_code&) override {
        head_.method = view(method);
        head_.target = view(target);
        head_.version = version;
    }
    void on_response_impl(int status, beast::string_view, int version, error_code&) override {
        head_.status = status;
        head_.version = version;
    }
    void on_field_impl(http::field, beast::string_view name, beast::string_view value, error_code& ec) override {
        if (head_.fields.size() == http1_head::fields_max) {
            ec = http::error::header_limit;
            failure = http1_failure{431, "more fields than the bound (RFC 6585, section 5)"};
            return;
        }
        head_.fields.add(view(name), view(value));
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(beast::string_view body, error_code&) override { return body.size(); }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, error_code&) override { return body.size(); }
    void on_finish_impl(error_code&) override {}

    http1_head& head_;
};

// Beast calls every unexpected version bad; RFC 9110, section 15.6.6 has a status for those that are one.
bool is_http_version(std::string_view text) noexcept {
    return text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' && is_digit(text[7]);
}

http1_failure version_failure(std::string_view line) {
    const auto last = line.rfind(' ');
    const bool three_words = last != std::string_view::npos && std::count(line.begin(), line.end(), ' ') == 2;
    if (three_words && is_http_version(line.substr(last + 1)))
        return {505, "neither HTTP/1.0 nor HTTP/1.1 (RFC 9110, section 15.6.6)"};
    return {400, "not a request line (RFC 9112, section 3)"};
}

http1_failure describe(const beast::error_code& ec, std::string_view text) {
    switch (static_cast<http::error>(ec.value())) {
    case http::error::bad_method: return {400, "not a method (RFC 9112, section 3.1)"};
    case http::error::bad_target: return {400, "not a request target (RFC 9112, section 3.2)"};
    case http::error::bad_version: return version_failure(text.substr(0, text.find('\r')));
    case http::error::bad_status: return {400, "not a status (RFC 9112, section 4)"};
    case http::error::bad_reason: return {400, "not a reason phrase (RFC 9112, section 4)"};
    case http::error::bad_field: return {400, "not a field name (RFC 9112, section 5.1)"};
    case http::error::bad_value: return {400, "not a field value (RFC 9110, section 5.5)"};
    case http::error::bad_content_length:
    case http::error::multiple_content_length:
        return {400, "a Content-Length that is no number or not the only one (RFC 9112, section 6.3)"};
    case http::error::bad_transfer_encoding:
        return {400, "a Transfer-Encoding beside another framing (RFC 9112, section 6.3)"};
    default: return {400, "not a head (RFC 9112, section 2.1)"};
    }
}

template <bool IsRequest>
std::optional<http1_failure> parse(std::string_view text, http1_head& into) {
    head_parser<IsRequest> parser{into, text.size()};
    beast::error_code ec;
    const auto taken = parser.put(boost::asio::buffer(text.data(), text.size()), ec);
    if (parser.failure)
        return parser.failure;
    if (ec)
        return describe(ec, text);
    // The scanner and the parser must agree on where the head ends.
    if (!parser.is_done() || taken != text.size())
        return http1_failure{400, "not a head (RFC 9112, section 2.1)"};
    return {};
}

}  // namespace

std::optional<http1_failure> parse_request_head(std::string_view text, http1_head& into) {
    return parse<true>(text, into);
}

std::optional<http1_failure> parse_response_head(std::string_view text, http1_head& into) {
    return parse<false>(text, into);
}

}  // namespace evercert
