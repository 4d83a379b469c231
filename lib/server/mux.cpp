#include <algorithm>

#include <evercert/error.hpp>
#include <evercert/mux.hpp>

#include "http/ascii.hpp"

namespace evercert {

namespace {

constexpr int permanent_redirect = 308;  // keeps the method: RFC 9110, section 15.4.9

bool is_dot(std::string_view segment) { return segment == "." || equals_ignoring_case(segment, "%2e"); }

bool is_dot_dot(std::string_view segment) {
    return segment == ".." || equals_ignoring_case(segment, "%2e.") || equals_ignoring_case(segment, ".%2e") ||
        equals_ignoring_case(segment, "%2e%2e");
}

/// Without "//" and dot segments (RFC 3986, section 5.2.4), also where these are percent-encoded.
std::string clean(std::string_view path) {
    std::string result = "/";
    for (std::size_t begin = path.starts_with('/') ? 1 : 0; begin < path.size();) {
        const auto end = std::min(path.find('/', begin), path.size());
        const auto segment = path.substr(begin, end - begin);
        begin = end + 1;
        if (segment.empty() || is_dot(segment))
            continue;
        if (is_dot_dot(segment)) {
            if (result.size() > 1)
                result.erase(result.rfind('/', result.size() - 2) + 1);
            continue;
        }
        result += segment;
        if (end < path.size())
            result += '/';
    }
    return result;
}

/// A path of this server, never a host: no "//" in front, which `clean` sees to, and no backslash, which browsers
/// take for a slash.
std::string location(std::string_view path, std::string_view query) {
    std::string result;
    for (const char c : path) {
        if (c == '\\')
            result += "%5C";
        else
            result += c;
    }
    if (!query.empty()) {
        result += '?';
        result += query;
    }
    return result;
}

// Coroutines that capture nothing: what a lambda captured would have to outlive them.
asio::awaitable<response> answer(response made) { co_return made; }

handler always(response made) {
    return [made = std::move(made)](const request&) { return answer(made); };
}

// RFC 9110, section 9.3.7: OPTIONS * is a ping.
response pong() {
    response made;
    made.status = 204;
    return made;
}

handler redirect(std::string to) {
    response made{permanent_redirect};
    made.fields.set("Location", to);
    return always(std::move(made));
}

}  // namespace

void mux::handle(std::string_view pattern, handler answer) {
    const auto slash = pattern.find('/');
    if (slash == std::string_view::npos)
        throw error{
            errc::invalid_options, "a pattern is a path with or without a host, unlike " + evercert::quoted(pattern)};
    if (clean(pattern.substr(slash)) != pattern.substr(slash))
        throw error{
            errc::invalid_options,
            "the pattern " + evercert::quoted(pattern) + " never matches: paths have neither empty nor dot segments"};
    if (!answer)
        throw error{errc::invalid_options, "the pattern " + evercert::quoted(pattern) + " has an empty handler"};
    std::string key = lower_case(pattern.substr(0, slash));
    key += pattern.substr(slash);
    if (!handlers_.try_emplace(std::move(key), std::move(answer)).second)
        throw error{errc::invalid_options, "the pattern " + evercert::quoted(pattern) + " has a handler already"};
}

handler mux::find(const request& request) const {
    if (request.target == "*")
        return always(pong());
    const auto path = request.path();
    const auto cleaned = clean(path);
    const bool is_clean = cleaned == path;
    for (const std::string_view host : {std::string_view{request.host}, std::string_view{}}) {
        const auto* found = match(host, cleaned);
        if (!found)
            continue;
        if (found->first == std::string{host} + cleaned + "/")
            return redirect(location(found->first.substr(host.size()), request.query()));
        if (is_clean)
            return found->second;
        return redirect(location(cleaned, request.query()));
    }
    return always(response{404});
}

const mux::entry* mux::match(std::string_view host, std::string_view path) const {
    std::string key{host};
    key += path;
    if (const auto exact = handlers_.find(key); exact != handlers_.end())
        return &*exact;
    if (const auto below = handlers_.find(key + "/"); below != handlers_.end())
        return &*below;
    while (key.size() > host.size()) {
        if (key.back() == '/')
            if (const auto above = handlers_.find(key); above != handlers_.end())
                return &*above;
        key.pop_back();
    }
    return nullptr;
}

}  // namespace evercert
