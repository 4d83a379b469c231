#include "server/route_tree.hpp"

#include <algorithm>

#include "server/clean_path.hpp"

namespace evercert {

namespace {

std::string decoded(std::string_view text) {
    auto result = percent_decode(text);
    return result ? std::move(*result) : std::string{text};
}

}  // namespace

void route_tree::add(const route& added) {
    node* at = &root_;
    for (const auto& segment : added.pattern.segments) {
        switch (segment.what) {
        case pattern_segment::kind::literal: at = &at->literals[segment.text]; break;
        case pattern_segment::kind::single:
            if (!at->single)
                at->single = std::make_unique<node>();
            at = at->single.get();
            break;
        case pattern_segment::kind::rest: at->rest = &added; return;
        case pattern_segment::kind::end: at->slash = &added; return;
        }
    }
    at->ends = &added;
}

route_match route_tree::match(std::string_view path) const {
    route_match result;
    match(root_, path, result);
    return result;
}

bool route_tree::match(const node& at, std::string_view path, route_match& into) {
    if (path.empty()) {
        into.found = at.ends;
        return into.found != nullptr;
    }
    if (path == "/" && at.slash) {
        into.found = at.slash;
        return true;
    }
    if (path != "/") {
        const auto end = std::min(path.find('/', 1), path.size());
        const auto raw = path.substr(1, end - 1);
        const auto rest = path.substr(end);
        const bool is_plain = raw.find('%') == std::string_view::npos;
        const auto literal = is_plain ? at.literals.find(raw) : at.literals.find(decoded(raw));
        if (literal != at.literals.end() && match(literal->second, rest, into))
            return true;
        if (at.single) {
            into.values.push_back(decoded(raw));
            if (match(*at.single, rest, into))
                return true;
            into.values.pop_back();
        }
    }
    if (!at.rest)
        return false;
    into.found = at.rest;
    into.rest_empty = path == "/";
    if (!at.rest->pattern.segments.back().text.empty())
        into.values.push_back(decoded(path.substr(1)));
    return true;
}

}  // namespace evercert
