#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/http_body.hpp>
#include <evercert/http_fields.hpp>
#include <evercert/network.hpp>

namespace evercert {

/// An HTTP request: what a handler gets, and what the HTTP client sends. Nothing in it belongs to one version of HTTP.
class request {
public:
    request() = default;
    request(std::string method, std::string target) : method{std::move(method)}, target{std::move(target)} {}

    std::string method = "GET";
    /// An absolute URL for the client; for a server "/path?query", or "*" for `OPTIONS *`.
    std::string target = "/";
    evercert::fields fields;
    request_body body;

    // Set by the server.
    /// The host asked for (Host field or absolute target): lower case, without port, IPv6 without brackets.
    std::string host;
    std::string server_name;  ///< the TLS server name; empty for plain HTTP
    endpoint local;
    endpoint remote;
    /// What stood for the wildcards of the pattern, by name, percent-decoded.
    std::vector<std::pair<std::string, std::string>> path_values;

    /// The target up to the query, as it came: still percent-encoded.
    std::string_view path() const noexcept;
    /// The target after the question mark; empty if there is none.
    std::string_view query() const noexcept;
    /// What stood for `{name}` in the pattern, percent-decoded; empty if the pattern has no such wildcard.
    std::string_view path_value(std::string_view name) const noexcept;
    /// True for GET, HEAD, OPTIONS and TRACE, which change nothing (RFC 9110, section 9.2.1).
    bool is_safe() const noexcept;
};

/// An HTTP response: what a handler gives, and what the HTTP client gets. `Content-Length`, `Transfer-Encoding`, `Date` and
/// `Connection` are the server's: it sets them.
class response {
public:
    response() = default;
    /// 200, text/plain.
    response(std::string body);
    response(const char* body) : response{std::string{body}} {}
    /// A status with the plain text that goes with it; text/plain.
    explicit response(int status);
    response(int status, std::string body);

    /// 200 with a body that `producer` writes, of a length that is not known before; its Content-Type is the caller's to set.
    /// The producer may capture what it needs: it is kept until it has returned.
    static response stream(body_producer producer);
    /// The same of a length that is known, which the client is told. The producer must write just as much.
    static response stream(body_producer producer, std::uint64_t size);

    int status = 200;
    evercert::fields fields;
    std::string body;
    /// If it is set, it writes the body, and `body` is not sent.
    body_producer producer;
    std::optional<std::uint64_t> producer_size;
    /// Follow the body (RFC 9110, section 6.5). A server drops them where the length is known.
    evercert::fields trailers;
};

/// The reason phrase that RFC 9110 gives a status; empty for an unknown one.
std::string_view reason_phrase(int status) noexcept;

/// Answers a request. Called on the connection's executor; its awaits are cancelled when the client is gone, the request takes too
/// long or the server ends. A client that has sent 16 kB which nobody has read is not seen to go. What it throws becomes a 500 and a
/// line in the log.
using handler = std::function<asio::awaitable<response>(request)>;

}  // namespace evercert
