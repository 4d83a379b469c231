#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <memory>
#include <ranges>
#include <span>

#include <idn2.h>

#include <evercert/error.hpp>
#include <evercert/identifier.hpp>

namespace evercert {

namespace {

// RFC 1035, section 2.3.4: 255 octets on the wire are 253 characters without the trailing dot.
constexpr std::size_t name_max = 253;
constexpr std::size_t label_max = 63;
// Before IDNA a name may be longer, for UTF-8 takes up to four bytes where Punycode takes one. What
// is longer than this is refused before any work is done on it.
constexpr std::size_t input_max = 4 * name_max;

constexpr std::string_view ace_prefix = "xn--";
constexpr std::string_view wildcard_prefix = "*.";
constexpr std::string_view ipv4_arpa = ".in-addr.arpa";
constexpr std::string_view ipv6_arpa = ".ip6.arpa";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

// Not std::tolower: that one asks the locale.
char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string to_lower(std::string_view text) {
    std::string lower{text};
    std::ranges::transform(lower, lower.begin(), [](char c) { return to_lower(c); });
    return lower;
}

/// What makes the text neither a name nor an address, whichever was meant.
std::string unfit_reason(std::string_view text) {
    if (text.empty())
        return "it is empty; give a host name such as www.example.com, or an IP address";
    if (text.size() > input_max)
        return "it is longer than any host name (253 characters)";
    if (std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
        return "it contains a control character";
    if (text.find("://") != text.npos)
        return "it is a URL; give its host name alone";
    if (text.find_first_of("/\\") != text.npos)
        return "it contains a path separator; give the host name alone";
    if (text.find(' ') != text.npos)
        return "it contains a space";
    return {};
}

template <int Family, std::size_t Size>
std::optional<std::string> canonical_address(const std::string& text) {
    std::array<unsigned char, Size> address;
    if (text.find('\0') != text.npos)
        return {};
    if (inet_pton(Family, text.c_str(), address.data()) != 1)
        return {};
    std::array<char, INET6_ADDRSTRLEN> canonical;
    if (!inet_ntop(Family, address.data(), canonical.data(), canonical.size()))
        return {};
    return canonical.data();
}

bool is_ipv4_mapped(const std::string& canonical) {
    return canonical.starts_with("::ffff:") && canonical.find('.') != canonical.npos;
}

std::optional<std::string> parse_ipv4(std::string_view text, std::string& reason) {
    auto address = canonical_address<AF_INET, 4>(std::string{text});
    if (!address)
        reason = "it is not an IPv4 address (four numbers from 0 to 255, without leading zeros)";
    return address;
}

std::optional<std::string> parse_ipv6(std::string_view text, std::string& reason) {
    auto address = canonical_address<AF_INET6, 16>(std::string{text});
    if (address && is_ipv4_mapped(*address)) {
        reason = "it is an IPv4 address in IPv6 form; give " + address->substr(7);
        return {};
    }
    if (address)
        return address;
    if (text.front() == '[')
        reason = "it is in brackets; give the IPv6 address without them and without a port";
    else if (text.find('%') != text.npos)
        reason = "a zone id (%...) has no place in a certificate; give the address alone";
    else if (std::ranges::count(text, ':') == 1)
        reason = "it has a port; give the host alone";
    else
        reason = "it is not an IPv6 address";
    return {};
}

bool needs_idna(std::string_view lower) {
    return !std::ranges::all_of(lower, is_ascii) || lower.starts_with(ace_prefix) || lower.find(".xn--") != lower.npos;
}

/// UTF-8 to A-labels (RFC 5891, with the mapping of UTS #46); A-labels are checked by decoding them
/// and encoding the result.
std::optional<std::string> to_a_labels(const std::string& lower, std::string& reason) {
    std::uint8_t* out = nullptr;
    const int result = idn2_lookup_u8(
        reinterpret_cast<const std::uint8_t*>(lower.c_str()), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    const std::unique_ptr<std::uint8_t, void (*)(void*)> owner{out, idn2_free};
    if (result != IDN2_OK) {
        reason = "IDNA does not allow it: ";
        reason += idn2_strerror(result);
        return {};
    }
    return reinterpret_cast<const char*>(out);
}

bool check_label(std::string_view label, std::string& reason) {
    if (label.empty()) {
        reason = "it has an empty label (two dots in a row, or a dot at the start)";
        return false;
    }
    if (label.size() > label_max) {
        reason = "a label is longer than 63 characters";
        return false;
    }
    const auto wrong = std::ranges::find_if(label, [](char c) { return !is_letter(c) && !is_digit(c) && c != '-'; });
    if (wrong != label.end()) {
        reason = *wrong == '*'
            ? "a '*' may only stand alone as the first label (*.example.com)"
            : "it contains " + quoted({&*wrong, 1}) + "; a host name has letters, digits, hyphens and dots";
        return false;
    }
    if (label.front() == '-' || label.back() == '-') {
        reason = "a label starts or ends with a hyphen";
        return false;
    }
    // RFC 5890, section 2.3.1: reserved LDH labels; only A-labels are in use.
    if (label.size() >= 4 && label.substr(2, 2) == "--" && !label.starts_with(ace_prefix)) {
        reason = "a label has hyphens as its 3rd and 4th characters, which is reserved";
        return false;
    }
    return true;
}

bool check_labels(std::string_view name, std::string& reason) {
    std::size_t labels = 0;
    std::string_view last;
    for (std::string_view rest = name;; ++labels) {
        const auto dot = rest.find('.');
        last = rest.substr(0, dot);
        if (!check_label(last, reason))
            return false;
        if (dot == rest.npos)
            break;
        rest.remove_prefix(dot + 1);
    }
    if (labels == 0) {
        reason = "it has a single label; no CA issues for such names, give the full name";
        return false;
    }
    // A client would take such a name for an IPv4 address (WHATWG URL, "ends in a number").
    if (std::ranges::all_of(last, is_digit)) {
        reason = "its last label is a number, so it is neither a host name nor an IP address";
        return false;
    }
    return true;
}

std::optional<std::string> parse_dns(std::string_view text, std::string& reason) {
    const bool is_wildcard = text.starts_with(wildcard_prefix);
    std::string name = to_lower(is_wildcard ? text.substr(wildcard_prefix.size()) : text);
    if (needs_idna(name)) {
        auto converted = to_a_labels(name, reason);
        if (!converted)
            return {};
        name = std::move(*converted);
    }
    if (name.ends_with('.'))
        name.pop_back();
    if (is_wildcard && name.find('.') == name.npos) {
        reason = "a wildcard needs at least two labels after it (*.example.com)";
        return {};
    }
    if (is_wildcard)
        name.insert(0, wildcard_prefix);
    if (name.size() > name_max) {
        reason = "it is longer than 253 characters";
        return {};
    }
    const auto labels = std::string_view{name}.substr(is_wildcard ? wildcard_prefix.size() : 0);
    if (!check_labels(labels, reason))
        return {};
    return name;
}

std::optional<std::string> ipv4_from_arpa(std::string_view reversed) {
    std::string forward;
    for (;;) {
        const auto dot = reversed.rfind('.');
        forward += reversed.substr(dot == reversed.npos ? 0 : dot + 1);
        if (dot == reversed.npos)
            break;
        forward += '.';
        reversed = reversed.substr(0, dot);
    }
    return canonical_address<AF_INET, 4>(forward);
}

std::optional<std::string> ipv6_from_arpa(std::string_view reversed) {
    // 32 nibbles, each but the last followed by a dot.
    if (reversed.size() != 63)
        return {};
    std::string forward;
    for (std::size_t i = 0; i < reversed.size(); ++i) {
        const char c = reversed[reversed.size() - 1 - i];
        if ((c == '.') != (i % 2 == 1))
            return {};
        if (c == '.')
            continue;
        forward += c;
        if (i % 8 == 6 && i + 1 < reversed.size())
            forward += ':';
    }
    return canonical_address<AF_INET6, 16>(forward);
}

std::string ipv6_to_arpa(std::span<const unsigned char> address) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string name;
    for (const unsigned char byte : address | std::views::reverse) {
        name += {hex[byte & 0x0f], '.', hex[byte >> 4], '.'};
    }
    name.pop_back();
    return name.append(ipv6_arpa);
}

}  // namespace

std::optional<identifier> identifier::parse(std::string_view text, std::string& reason) {
    reason = unfit_reason(text);
    if (!reason.empty())
        return {};

    const bool is_ipv6 = text.find(':') != text.npos || text.front() == '[';
    const bool is_ipv4 = std::ranges::all_of(text, [](char c) { return is_digit(c) || c == '.'; });
    auto canonical = is_ipv6 ? parse_ipv6(text, reason) : is_ipv4 ? parse_ipv4(text, reason) : parse_dns(text, reason);
    if (!canonical)
        return {};
    return identifier{is_ipv6 || is_ipv4 ? kind::ip : kind::dns, std::move(*canonical)};
}

std::optional<identifier> identifier::parse(std::string_view text) {
    std::string reason;
    return parse(text, reason);
}

identifier::identifier(std::string_view text) : type_{kind::dns} {
    std::string reason;
    auto parsed = parse(text, reason);
    if (!parsed)
        throw error{errc::invalid_identifier, quoted(text) + " is not a valid name: " + reason};
    *this = std::move(*parsed);
}

identifier::identifier(const std::string& text) : identifier{std::string_view{text}} {}

identifier::identifier(const char* text) : identifier{std::string_view{text}} {}

std::optional<identifier> identifier::wildcard() const {
    if (type_ == kind::ip || is_wildcard())
        return {};
    const std::string_view parent = std::string_view{text_}.substr(text_.find('.'));
    if (parent.find('.', 1) == parent.npos)
        return {};
    return identifier{kind::dns, std::string{"*"}.append(parent)};
}

std::string to_string(const std::vector<identifier>& names) {
    std::string list;
    for (const identifier& name : names) {
        if (!list.empty())
            list += ", ";
        list += name.value();
    }
    return list;
}

std::string to_reverse_arpa(const identifier& address) {
    std::array<unsigned char, 16> bytes;
    if (address.type() != identifier::kind::ip)
        return {};
    if (inet_pton(AF_INET6, address.value().c_str(), bytes.data()) == 1)
        return ipv6_to_arpa(bytes);
    std::string reversed;
    std::string_view rest = address.value();
    for (auto dot = rest.rfind('.'); dot != rest.npos; dot = rest.rfind('.')) {
        reversed.append(rest.substr(dot + 1)).push_back('.');
        rest = rest.substr(0, dot);
    }
    return reversed.append(rest).append(ipv4_arpa);
}

std::optional<identifier> from_reverse_arpa(std::string_view server_name) {
    if (server_name.size() > name_max)
        return {};
    const std::string lower = to_lower(server_name);
    const std::string_view name = lower;
    std::optional<std::string> address;
    if (name.ends_with(ipv4_arpa))
        address = ipv4_from_arpa(name.substr(0, name.size() - ipv4_arpa.size()));
    else if (name.ends_with(ipv6_arpa))
        address = ipv6_from_arpa(name.substr(0, name.size() - ipv6_arpa.size()));
    if (!address)
        return {};
    return identifier::parse(*address);
}

}  // namespace evercert
