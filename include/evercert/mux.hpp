#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <evercert/http.hpp>

namespace evercert {

/// Handlers by path. A pattern is "/path", which matches that path alone, or "/path/", which matches everything
/// below it; the longest match wins. "/" matches everything. A pattern may begin with a host, "example.com/path":
/// such patterns go before those without. A path that is registered with a trailing slash only is redirected
/// there (308), and so is a path with empty or dot segments to the one without: a handler sees clean paths, still
/// percent-encoded otherwise.
///
/// Reads are reentrant; `handle` must not run at the same time as anything else.
class mux {
public:
    mux() = default;

    /// Throws `error` with `errc::invalid_options` for a pattern without a slash or one that no clean path
    /// matches, an empty handler, or a pattern that is there already.
    void handle(std::string_view pattern, handler);

    /// The handler for a request; one that answers 404 if none matches, and `OPTIONS *` (RFC 9110, section
    /// 9.3.7). Never empty.
    handler find(const request&) const;

private:
    using entry = std::pair<const std::string, handler>;
    /// The pattern that goes first for this host (empty = those without one): the path, the path with a slash,
    /// the longest above it.
    const entry* match(std::string_view host, std::string_view path) const;

    std::map<std::string, handler, std::less<>> handlers_;
};

}  // namespace evercert
