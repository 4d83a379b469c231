#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/network.hpp>

namespace evercert {

/// Header fields in the order they came or were added (RFC 9110, section 5). Names compare without case.
class fields {
public:
    using value_type = std::pair<std::string, std::string>;

    fields() = default;

    /// The first value of the field; empty if there is none.
    std::string_view get(std::string_view name) const noexcept;
    bool has(std::string_view name) const noexcept;
    /// Every value of the field, in order.
    std::vector<std::string_view> all(std::string_view name) const;
    /// Replace every value of the field with this one.
    void set(std::string_view name, std::string_view value);
    /// Another value beside those that are there.
    void add(std::string_view name, std::string_view value);
    void erase(std::string_view name);

    auto begin() const noexcept { return values_.begin(); }
    auto end() const noexcept { return values_.end(); }
    std::size_t size() const noexcept { return values_.size(); }
    bool empty() const noexcept { return values_.empty(); }

private:
    std::vector<value_type> values_;
};

/// An HTTP request: what a handler gets, and what the HTTP client sends.
class request {
public:
    request() = default;
    request(std::string method, std::string target) : method{std::move(method)}, target{std::move(target)} {}

    std::string method = "GET";
    /// An absolute URL for the client; for a server "/path?query", or "*" for `OPTIONS *`.
    std::string target = "/";
    evercert::fields fields;
    std::string body;

    // Set by the server.
    /// The host asked for (Host field or absolute target): lower case, without port, IPv6 without brackets.
    std::string host;
    std::string server_name;  ///< the TLS server name; empty for plain HTTP
    endpoint local;
    endpoint remote;

    /// The target up to the query, as it came: still percent-encoded.
    std::string_view path() const noexcept;
    /// The target after the question mark; empty if there is none.
    std::string_view query() const noexcept;
    /// True for GET, HEAD, OPTIONS and TRACE, which change nothing (RFC 9110, section 9.2.1).
    bool is_safe() const noexcept;
};

/// An HTTP response. `Content-Length`, `Date` and `Connection` are the server's: it sets them.
class response {
public:
    response() = default;
    /// 200, text/plain.
    response(std::string body);
    response(const char* body) : response{std::string{body}} {}
    /// A status with the plain text that goes with it; text/plain.
    explicit response(int status);
    response(int status, std::string body);

    int status = 200;
    evercert::fields fields;
    std::string body;
};

/// The reason phrase that RFC 9110 gives a status; empty for an unknown one.
std::string_view reason_phrase(int status) noexcept;

/// Answers a request. Called on the connection's executor; its awaits are cancelled when the connection
/// or the server ends. What it throws becomes a 500 and a line in the log.
using handler = std::function<asio::awaitable<response>(request)>;

}  // namespace evercert
