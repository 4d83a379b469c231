#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <evercert/clock.hpp>

namespace evercert::acme {

/// RFC 8555's documents nest four deep; the parser recurses.
inline constexpr std::size_t json_depth_max = 16;
/// The largest document is an order for many names, about 200 bytes for each.
inline constexpr std::size_t json_size_max = 512 << 10;
/// What HTTP servers take as a request line, minus the rest of the line.
inline constexpr std::size_t url_size_max = 4096;

/// What a document is and where it came from, for the texts of errors: `the CA's order has no "finalize"
/// (https://ca.test/order/1)`.
struct json_source {
    std::string_view what;  ///< "order"
    std::string_view url;
};

/// Throws `errc::acme_malformed`: "the CA's order " + text + the URL.
[[noreturn]] void throw_malformed(json_source, const std::string& text);

/// Throws `errc::acme_malformed` unless `body` is a JSON object within the bounds above.
boost::json::object parse_json_object(std::string_view body, json_source);

/// An absolute https URL that may be asked: a CA may have several hosts, but nothing it says makes evercert
/// leave TLS.
bool is_https_url(std::string_view) noexcept;

/// Reads the members of an object from a CA: strict types, bounded sizes. Unknown members are nobody's business
/// (RFC 8555, section 6); null is as good as absent. Every function throws `errc::acme_malformed`, which names
/// the member. `object` and what `source` refers to must outlive it.
class json_reader {
public:
    json_reader(const boost::json::object& object, json_source source) : object_{object}, source_{source} {}

    bool has(std::string_view name) const { return find(name) != nullptr; }

    std::string text(std::string_view name, std::size_t size_max) const;
    std::optional<std::string> optional_text(std::string_view name, std::size_t size_max) const;
    std::string url(std::string_view name) const;
    std::optional<std::string> optional_url(std::string_view name) const;
    /// RFC 3339.
    wall_time time(std::string_view name) const;
    std::optional<wall_time> optional_time(std::string_view name) const;
    /// Absent is false.
    bool flag(std::string_view name) const;
    const boost::json::array& list(std::string_view name, std::size_t count_max) const;
    /// Null if it is absent.
    const boost::json::array* optional_list(std::string_view name, std::size_t count_max) const;
    /// A list of objects.
    std::vector<const boost::json::object*> objects(std::string_view name, std::size_t count_max) const;
    const boost::json::object* optional_object(std::string_view name) const;

    [[noreturn]] void fail(const std::string& text) const { throw_malformed(source_, text); }

private:
    const boost::json::value* find(std::string_view name) const;
    const boost::json::value& require(std::string_view name) const;
    std::string to_text(std::string_view name, const boost::json::value&, std::size_t size_max) const;
    std::string to_url(std::string_view name, const boost::json::value&) const;

    const boost::json::object& object_;
    json_source source_;
};

}  // namespace evercert::acme
