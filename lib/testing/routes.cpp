#include "testing/routes.hpp"

#include <array>
#include <charconv>

#include <evercert/error.hpp>

namespace evercert::testing {

namespace {

struct entry {
    resource what;
    std::string_view name;
    std::string_view before;
    std::string_view after;
    enum { one, numbered, named } kind;
};

constexpr std::array entries{
    entry{resource::directory, "directory", "/directory", "", entry::one},
    entry{resource::new_nonce, "newNonce", "/new-nonce", "", entry::one},
    entry{resource::new_account, "newAccount", "/new-account", "", entry::one},
    entry{resource::new_order, "newOrder", "/new-order", "", entry::one},
    entry{resource::revoke_cert, "revokeCert", "/revoke-cert", "", entry::one},
    entry{resource::key_change, "keyChange", "/key-change", "", entry::one},
    entry{resource::account, "account", "/account/", "", entry::numbered},
    entry{resource::orders, "orders", "/account/", "/orders", entry::numbered},
    entry{resource::order, "order", "/order/", "", entry::numbered},
    entry{resource::finalize, "finalize", "/order/", "/finalize", entry::numbered},
    entry{resource::authorization, "authorization", "/authorization/", "", entry::numbered},
    entry{resource::challenge, "challenge", "/challenge/", "", entry::numbered},
    entry{resource::certificate, "certificate", "/certificate/", "", entry::numbered},
    entry{resource::alternate, "alternate", "/certificate/", "/alternate", entry::numbered},
    entry{resource::renewal_info, "renewalInfo", "/renewal-info", "", entry::named},
};

static_assert(entries.size() == resource_count);

const entry& entry_of(resource what) { return entries[static_cast<std::size_t>(what)]; }

/// A number has one spelling, or two URLs would be the same object.
std::optional<std::size_t> parse_id(std::string_view text) {
    std::size_t id = 0;
    const auto end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, id);
    if (parsed.ec != std::errc{} || parsed.ptr != end || text.starts_with('0'))
        return {};
    return id;
}

}  // namespace

std::string_view to_string(resource what) noexcept { return entry_of(what).name; }

resource parse_resource(std::string_view name) {
    for (const auto& each : entries)
        if (each.name == name)
            return each.what;
    throw error{
        errc::invalid_options,
        "there is no resource " + quoted(name) + "; they are named as in RFC 8555, such as \"newOrder\""};
}

std::optional<route> parse_route(std::string_view path) {
    for (const auto& each : entries) {
        if (each.kind == entry::one) {
            if (path == each.before)
                return route{each.what};
            continue;
        }
        if (each.kind == entry::named) {
            if (path.starts_with(each.before) && path.substr(each.before.size()).starts_with('/'))
                return route{each.what, 0, std::string{path.substr(each.before.size() + 1)}};
            continue;
        }
        if (path.size() <= each.before.size() + each.after.size() || !path.starts_with(each.before) ||
            !path.ends_with(each.after))
            continue;
        const auto digits = path.substr(each.before.size(), path.size() - each.before.size() - each.after.size());
        if (const auto id = parse_id(digits))
            return route{each.what, *id};
    }
    return {};
}

std::string to_path(const route& to) {
    const auto& found = entry_of(to.what);
    std::string path{found.before};
    if (found.kind == entry::numbered)
        path += std::to_string(to.id);
    if (found.kind == entry::named && !to.name.empty())
        path.append("/").append(to.name);
    return path.append(found.after);
}

}  // namespace evercert::testing
