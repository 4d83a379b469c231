#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace evercert {

/// The name in a certificate: a DNS name (RFC 8555, section 7.1.4), a wildcard of one, or an IP
/// address (RFC 8738). It can only be built by parsing, so whoever holds one holds a valid one.
///
/// DNS names are kept as they go over the wire: lower case, no trailing dot, IDNA A-labels
/// (UTF-8 input is converted, RFC 5891), 1-63 letters, digits and hyphens a label, at least two
/// labels, 253 characters at most. IP addresses are kept in their canonical text form (RFC 5952).
/// Refused are, besides what these rules exclude: ports, URLs, brackets, zone ids, IPv4 addresses in
/// IPv6 form, a last label of digits alone, `*.` before a single label and `*` anywhere else, and what IDNA 2008
/// disallows, emoji among it, as UTF-8 and as an A-label.
///
/// A regular value type; reentrant.
class identifier {
public:
    enum class kind { dns, ip };

    /// Parse. Throws `error` with `errc::invalid_identifier` and the reason.
    /// Not explicit, so that `{"example.com", "www.example.com"}` is a list of identifiers.
    identifier(std::string_view text);
    identifier(const std::string& text);
    identifier(const char* text);

    /// Parse without throwing: nothing if `text` is not valid.
    static std::optional<identifier> parse(std::string_view text);

    identifier::kind type() const noexcept { return type_; }
    bool is_wildcard() const noexcept { return text_.starts_with("*."); }
    /// The canonical text.
    const std::string& value() const noexcept { return text_; }
    /// The wildcard that would cover this name: "*.example.com" for "www.example.com". Empty for
    /// IP addresses, wildcards and names whose parent has a single label.
    std::optional<identifier> wildcard() const;

    friend bool operator==(const identifier&, const identifier&) = default;
    friend auto operator<=>(const identifier&, const identifier&) = default;

private:
    identifier(identifier::kind type, std::string text) : text_{std::move(text)}, type_{type} {}
    static std::optional<identifier> parse(std::string_view text, std::string& reason);

    std::string text_;
    identifier::kind type_;
};

/// `names` as a readable list: "a.test, b.test".
std::string to_string(const std::vector<identifier>& names);

/// The server name under which a tls-alpn-01 validation asks for an IP address (RFC 8738, section 6):
/// "1.2.0.192.in-addr.arpa" for 192.0.2.1, 32 nibbles under "ip6.arpa" for IPv6. Empty for DNS names.
std::string to_reverse_arpa(const identifier& address);
/// The other way; nothing if `server_name` is not such a name. No other client sends one.
std::optional<identifier> from_reverse_arpa(std::string_view server_name);

}  // namespace evercert

template <>
struct std::hash<evercert::identifier> {
    std::size_t operator()(const evercert::identifier& name) const noexcept {
        return std::hash<std::string>{}(name.value());
    }
};
