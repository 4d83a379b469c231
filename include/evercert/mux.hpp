#pragma once

#include <memory>
#include <string_view>

#include <evercert/http.hpp>

namespace evercert {

/// Handlers by host, method and path, by the rules of Go's ServeMux (1.22 and later).
///
/// A pattern is "[METHOD ][HOST]/PATH". Without a method it takes all; GET takes HEAD too. Without a host it takes all hosts.
/// In the path a segment may be a wildcard:
///
///     /items/{id}         one segment, which is not empty
///     /files/{path...}    the rest, which may be empty; only at the end
///     /files/             the same without a name: everything below
///     /{$}                the path "/" alone; only at the end
///
/// and `request::path_value("id")` is what stood there. Segments are compared, and values given, percent-decoded.
///
/// Of several patterns that match, the most specific one answers: the one that matches fewer requests. A pattern with a host goes
/// before all without. Two of which neither is more specific, and which have a request in common, are refused when the
/// second one is registered, so the order of registration does not matter: "/posts/{id}" and "/{resource}/latest" conflict,
/// for "/posts/latest".
///
/// A path with empty or dot segments is redirected (308) to the clean one, also where these are percent-encoded, and a
/// path to which only a slash is missing to the one with it. A path that is there under other methods is
/// answered by 405 with `Allow`; what matches nothing by 404; both by the fallback, if there is one. `OPTIONS *`
/// (RFC 9110, section 9.3.7) is answered by 204.
///
/// `answer` is reentrant; `handle` must not run at the same time as anything else. A look-up costs the same for one host
/// and for 100,000.
class mux {
public:
    mux();
    ~mux();
    mux(mux&&) noexcept;
    mux& operator=(mux&&) noexcept;

    /// Throws `error` with `errc::invalid_options` for a pattern that is none, that no clean path matches, or that
    /// conflicts with another, which the text names with a path that both match; and for an empty handler.
    void handle(std::string_view pattern, handler);
    /// Answer what no pattern matches, in place of 404 and 405. It gets the path as the client sent it, clean or not.
    void fallback(handler);

    /// What the handler of the request answers. The mux must outlive the awaitable.
    asio::awaitable<response> answer(request) const;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace evercert
