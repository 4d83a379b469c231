#include "http/http1_body.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "http/ascii.hpp"

namespace evercert {

namespace {

template <typename Visit>
void for_each_item(std::string_view list, Visit visit) {
    while (!list.empty()) {
        const auto comma = std::min(list.find(','), list.size());
        visit(trim(list.substr(0, comma)));
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
}

std::optional<http1_failure> read_transfer_encoding(const http1_known_fields::found& coding, int version) {
    if (version < 11)
        return http1_failure{400, "Transfer-Encoding in HTTP/1.0 (RFC 9112, section 6.1)"};
    if (coding.count > 1)
        return http1_failure{400, "Transfer-Encoding twice (RFC 9112, section 6.1)"};
    if (equals_ignoring_case(coding.first, "chunked"))
        return {};
    const auto comma = coding.first.rfind(',');
    if (comma == std::string_view::npos || !equals_ignoring_case(trim(coding.first.substr(comma + 1)), "chunked"))
        return http1_failure{400, "a final coding that is not chunked (RFC 9112, section 6.3)"};
    return http1_failure{501, "a coding beside chunked (RFC 9112, section 6.1)"};
}

std::optional<http1_failure> read_content_length(const http1_known_fields::found& field, std::uint64_t& length) {
    // Section 6.3 would let equal values pass as one; no sane sender needs that.
    if (field.count > 1)
        return http1_failure{400, "Content-Length twice (RFC 9112, section 6.3)"};
    const auto text = field.first;
    const auto end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, length);
    if (parsed.ec != std::errc{} || parsed.ptr != end)
        return http1_failure{400, "a Content-Length that is no number (RFC 9110, section 8.6)"};
    return {};
}

void count(http1_known_fields::found& field, std::string_view value) {
    if (field.count++ == 0)
        field.first = value;
}

bool changes_reading(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 4> names = {"Content-Length", "Host", "Trailer", "Transfer-Encoding"};
    return std::any_of(
        names.begin(), names.end(), [&](std::string_view one) { return equals_ignoring_case(one, name); });
}

int hex_value(char c) noexcept {
    if (is_digit(c))
        return c - '0';
    c = to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

http1_known_fields find_known_fields(const fields& all) {
    http1_known_fields known;
    for (const auto& [name, value] : all) {
        // By length first: most fields are none of these.
        switch (name.size()) {
        case 4:
            if (equals_ignoring_case(name, "Host"))
                count(known.host, value);
            break;
        case 6:
            if (equals_ignoring_case(name, "Expect"))
                (equals_ignoring_case(value, "100-continue") ? known.expects_continue : known.expects_unknown) = true;
            break;
        case 10:
            if (equals_ignoring_case(name, "Connection"))
                for_each_item(
                    value, [&](std::string_view item) { known.close |= equals_ignoring_case(item, "close"); });
            break;
        case 14:
            if (equals_ignoring_case(name, "Content-Length"))
                count(known.content_length, value);
            break;
        case 17:
            if (equals_ignoring_case(name, "Transfer-Encoding"))
                count(known.transfer_encoding, value);
            break;
        default: break;
        }
    }
    return known;
}

std::optional<http1_failure> read_framing(const http1_known_fields& known, int version, http1_framing& into) {
    if (known.transfer_encoding.count > 0 && known.content_length.count > 0)
        return http1_failure{400, "Transfer-Encoding and Content-Length (RFC 9112, section 6.3)"};
    if (known.transfer_encoding.count > 0) {
        into.how = http1_framing::kind::chunked;
        return read_transfer_encoding(known.transfer_encoding, version);
    }
    if (known.content_length.count > 0) {
        into.how = http1_framing::kind::length;
        return read_content_length(known.content_length, into.length);
    }
    into.how = http1_framing::kind::none;
    return {};
}

http1_body_decoder::http1_body_decoder(http1_framing framing, std::uint64_t body_max) : body_max_{body_max} {
    switch (framing.how) {
    case http1_framing::kind::none: break;
    case http1_framing::kind::chunked: state_ = state::size; break;
    case http1_framing::kind::until_close:
        state_ = state::until_close;
        remaining_ = body_max;
        break;
    case http1_framing::kind::length:
        if (framing.length > body_max)
            refuse("a body larger than the bound (RFC 9110, section 15.5.14)", 413);
        else if (framing.length > 0)
            state_ = state::length;
        remaining_ = framing.length;
        break;
    }
}

http1_piece http1_body_decoder::next(std::string_view data) {
    std::size_t taken = 0;
    while (taken < data.size() && !failure_ && state_ != state::complete) {
        if (state_ == state::length || state_ == state::until_close || state_ == state::data)
            return take_data(data.substr(taken), taken);
        accept(data[taken++]);
    }
    return {taken, {}};
}

void http1_body_decoder::feed_end() {
    if (state_ == state::until_close)
        state_ = state::complete;
    else if (state_ != state::complete && !failure_)
        refuse("an incomplete body (RFC 9112, section 8)");
}

std::optional<std::uint64_t> http1_body_decoder::rest() const noexcept {
    if (state_ == state::length)
        return remaining_;
    if (state_ == state::complete)
        return 0;
    return {};
}

http1_piece http1_body_decoder::take_data(std::string_view data, std::size_t at) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), remaining_));
    remaining_ -= size;
    if (state_ == state::until_close) {
        if (size < data.size())
            refuse("a body larger than the bound (RFC 9110, section 15.5.14)", 413);
    } else if (remaining_ == 0) {
        state_ = state_ == state::length ? state::complete : state::data_cr;
    }
    return {at + size, data.substr(0, size)};
}

void http1_body_decoder::expect(char wanted, char got, state next) {
    if (got != wanted)
        return refuse("a line of the chunked coding without CRLF (RFC 9112, section 7.1)");
    state_ = next;
}

void http1_body_decoder::accept(char c) {
    switch (state_) {
    case state::size: accept_size(c); break;
    case state::extension:
        if (c == '\r')
            state_ = state::size_lf;
        else if (!is_field_char(c))
            refuse("a control character in a chunk extension (RFC 9112, section 7.1.1)");
        else if (++extensions_size_ > extensions_max)
            refuse("chunk extensions longer than the bound (RFC 9112, section 7.1.1)");
        break;
    case state::size_lf:
        expect('\n', c, remaining_ > 0 ? state::data : state::trailer_start);
        digits_ = 0;
        break;
    case state::data_cr: expect('\r', c, state::data_lf); break;
    case state::data_lf: expect('\n', c, state::size); break;
    default: accept_trailer(c);
    }
}

void http1_body_decoder::accept_size(char c) {
    const int digit = hex_value(c);
    if (digit >= 0) {
        if (++digits_ > size_digits_max)
            return refuse("a chunk size with too many digits (RFC 9112, section 7.1)");
        remaining_ =
            digits_ == 1 ? static_cast<std::uint64_t>(digit) : remaining_ * 16 + static_cast<std::uint64_t>(digit);
        return;
    }
    if (digits_ == 0 || (c != '\r' && c != ';'))
        return refuse("not a chunk size (RFC 9112, section 7.1)");
    if (remaining_ > body_max_)
        return refuse("a body larger than the bound (RFC 9110, section 15.5.14)", 413);
    body_max_ -= remaining_;
    state_ = c == '\r' ? state::size_lf : state::extension;
}

// RFC 9112, section 7.1.2: trailer fields must not be merged into the header fields.
void http1_body_decoder::accept_trailer(char c) {
    if (trailers_text_.size() == trailers_max)
        return refuse("trailers longer than the bound (RFC 6585, section 5)", 431);
    trailers_text_ += c;
    switch (state_) {
    case state::trailer_start:
        if (c == '\r')
            state_ = state::final_lf;
        else if (is_token_char(c))
            state_ = state::trailer_name;
        else
            refuse("not a trailer field (RFC 9112, section 7.1.2)");
        break;
    case state::trailer_name:
        if (c == ':')
            state_ = state::trailer_value;
        else if (!is_token_char(c))
            refuse("not a trailer field (RFC 9112, section 7.1.2)");
        break;
    case state::trailer_value:
        if (c == '\r')
            state_ = state::trailer_lf;
        else if (!is_field_char(c))
            refuse("a control character in a trailer field (RFC 9110, section 5.5)");
        break;
    case state::trailer_lf: expect('\n', c, state::trailer_start); break;
    default:
        expect('\n', c, state::complete);
        if (!failure_)
            end_trailers();
    }
}

void http1_body_decoder::end_trailers() {
    std::string_view rest = trailers_text_;
    while (!rest.starts_with('\r')) {
        const auto line = rest.substr(0, rest.find('\r'));
        rest.remove_prefix(line.size() + 2);
        const auto colon = line.find(':');
        const auto name = line.substr(0, colon);
        if (!changes_reading(name))
            trailers_.add(name, trim(line.substr(colon + 1)));
    }
    std::string{}.swap(trailers_text_);
}

}  // namespace evercert
