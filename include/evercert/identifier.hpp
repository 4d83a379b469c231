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

/// "192.0.2.1.in-addr.arpa" forms (RFC 8738, section 6) back to the address they stand for; nothing if
/// `server_name` is not one. Only a tls-alpn-01 validation sends such a server name.
std::optional<identifier> from_reverse_arpa(std::string_view server_name);

}  // namespace evercert

template <>
struct std::hash<evercert::identifier> {
    std::size_t operator()(const evercert::identifier& name) const noexcept {
        return std::hash<std::string>{}(name.value());
    }
};
