#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <evercert/http.hpp>

#include "server/pattern.hpp"

namespace evercert {

struct route {
    evercert::pattern pattern;
    handler answer;
};

/// What a path matched.
struct route_match {
    const route* found = nullptr;
    std::vector<std::string> values = {};  ///< of the wildcards that have a name, in order
    bool rest_empty = true;                ///< a "rest" wildcard matched nothing
};

/// The patterns of one host and method, as a tree of segments. Its patterns are free of conflicts, which makes the literal
/// segment the right choice wherever there is one, then the single wildcard, then the rest. No more nodes are visited than there are.
class route_tree {
public:
    void add(const route&);
    /// `path` is clean. Nothing in `found` if none matches.
    route_match match(std::string_view path) const;

private:
    struct node;
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
    };
    struct node {
        std::unordered_map<std::string, node, hash, std::equal_to<>> literals = {};
        std::unique_ptr<node> single = {};
        const route* ends = nullptr;   ///< the path ends here
        const route* slash = nullptr;  ///< "{$}"
        const route* rest = nullptr;
    };

    static bool match(const node& at, std::string_view path, route_match& into);

    node root_;
};

}  // namespace evercert
