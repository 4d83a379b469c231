#include <deque>
#include <map>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/mux.hpp>

#include "server/clean_path.hpp"
#include "server/pattern.hpp"
#include "server/route_tree.hpp"

namespace evercert {

namespace {

constexpr int permanent_redirect = 308;  // keeps the method: RFC 9110, section 15.4.9

/// A path of this server, never a host: no "//" in front, which `clean_path` sees to, and no backslash, which browsers
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

// A coroutine that captures nothing: what a lambda captured would have to outlive it.
asio::awaitable<response> give(response made) { co_return made; }

response redirect(std::string_view path, std::string_view query) {
    response made{permanent_redirect};
    made.fields.set("Location", location(path, query));
    return made;
}

// RFC 9110, section 9.3.7: OPTIONS * is a ping.
response pong() {
    response made;
    made.status = 204;
    return made;
}

response not_allowed(const std::set<std::string>& methods) {
    response made{405};
    made.fields.set("Allow", fmt::format("{}", fmt::join(methods, ", ")));
    return made;
}

/// The patterns of one host.
struct host_routes {
    std::deque<route> routes = {};
    std::map<std::string, route_tree, std::less<>> by_method = {};  ///< empty = any

    route_match match(std::string_view method, std::string_view path) const {
        for (const std::string_view each :
             {method, std::string_view{method == "HEAD" ? "GET" : ""}, std::string_view{}}) {
            const auto tree = by_method.find(each);
            if (tree == by_method.end())
                continue;
            auto result = tree->second.match(path);
            if (result.found)
                return result;
        }
        return {};
    }

    void collect_methods(std::string_view path, std::set<std::string>& into) const {
        for (const auto& [method, tree] : by_method)
            if (!method.empty() && tree.match(path).found) {
                into.insert(method);
                if (method == "GET")
                    into.insert("HEAD");
            }
    }
};

struct string_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};

/// It matched the whole path, and not just something above it.
bool is_exact(const route_match& match) {
    return match.found && (!match.found->pattern.takes_rest() || match.rest_empty);
}

void give_values(route_match& match, request& to) {
    std::size_t next = 0;
    for (const auto& segment : match.found->pattern.segments)
        if (segment.what != pattern_segment::kind::literal && !segment.text.empty())
            to.path_values.emplace_back(segment.text, std::move(match.values[next++]));
}

}  // namespace

struct mux::impl {
    std::unordered_map<std::string, host_routes, string_hash, std::equal_to<>> hosts;
    handler fallback;

    /// Those of the host, then those without one.
    template <typename Visit>
    void visit(const request& asked, Visit visit) const {
        const auto named = asked.host.empty() ? hosts.end() : hosts.find(asked.host);
        if (named != hosts.end() && visit(named->second))
            return;
        if (const auto general = hosts.find(std::string_view{}); general != hosts.end())
            visit(general->second);
    }

    route_match match(const request& asked, std::string_view path) const {
        route_match result;
        visit(asked, [&](const host_routes& routes) {
            result = routes.match(asked.method, path);
            return result.found != nullptr;
        });
        return result;
    }

    /// `path` may be a part of the request, which therefore stays where it is until the fallback takes it.
    asio::awaitable<response> answer_unmatched(request& asked, std::string_view path) const {
        if (fallback)
            return fallback(std::move(asked));
        return give(refusal(asked, path));
    }

    response refusal(const request& asked, std::string_view path) const {
        std::set<std::string> methods;
        visit(asked, [&](const host_routes& routes) {
            routes.collect_methods(path, methods);
            // With another method it would be redirected there.
            if (!path.ends_with('/'))
                routes.collect_methods(std::string{path} + '/', methods);
            return false;
        });
        return methods.empty() ? response{404} : not_allowed(methods);
    }
};

mux::mux() : impl_{std::make_unique<impl>()} {}
mux::~mux() = default;
mux::mux(mux&&) noexcept = default;
mux& mux::operator=(mux&&) noexcept = default;

void mux::handle(std::string_view text, handler answer) {
    auto parsed = parse_pattern(text);
    if (!answer)
        throw error{errc::invalid_options, fmt::format("the pattern {} has an empty handler", evercert::quoted(text))};
    auto& host = impl_->hosts[parsed.host];
    for (const auto& other : host.routes) {
        const auto relation = compare(parsed, other.pattern);
        if (relation == overlap::same || relation == overlap::partial)
            throw error{
                errc::invalid_options,
                fmt::format(
                    "the pattern {} conflicts with {}: both match {}, and neither is more specific",
                    evercert::quoted(text), evercert::quoted(other.pattern.text),
                    evercert::quoted(common_path(parsed, other.pattern)))};
    }
    const auto& added = host.routes.emplace_back(route{std::move(parsed), std::move(answer)});
    host.by_method[added.pattern.method].add(added);
}

void mux::fallback(handler answer) { impl_->fallback = std::move(answer); }

asio::awaitable<response> mux::answer(request asked) const {
    if (asked.target == "*")
        return give(pong());
    const auto path = asked.path();
    if (!is_clean_path(path)) {
        auto cleaned = clean_path(path);
        auto match = impl_->match(asked, cleaned);
        if (!is_exact(match) && !cleaned.ends_with('/') && is_exact(impl_->match(asked, cleaned + '/')))
            cleaned += '/';
        else if (!match.found)
            return impl_->answer_unmatched(asked, cleaned);
        return give(redirect(cleaned, asked.query()));
    }
    auto match = impl_->match(asked, path);
    if (!is_exact(match) && !path.ends_with('/')) {
        const auto below = std::string{path} + '/';
        if (is_exact(impl_->match(asked, below)))
            return give(redirect(below, asked.query()));
    }
    if (!match.found)
        return impl_->answer_unmatched(asked, path);
    if (!match.values.empty())
        give_values(match, asked);
    return match.found->answer(std::move(asked));
}

}  // namespace evercert
