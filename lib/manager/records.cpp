#include <algorithm>
#include <set>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "crypto/encoding.hpp"
#include "http/url.hpp"
#include "manager/state.hpp"

namespace evercert {
namespace {

namespace json = boost::json;

[[noreturn]] void damaged(std::string_view member, std::string_view reason) {
    throw error{errc::state_damaged, fmt::format("\"{}\" {}", member, reason)};
}

const json::value& member(const json::object& in, std::string_view name) {
    const auto* found = in.if_contains(name);
    if (!found)
        damaged(name, "is missing");
    return *found;
}

std::string text(const json::object& in, std::string_view name) {
    const auto& value = member(in, name);
    if (!value.is_string())
        damaged(name, "is not a text");
    return std::string{value.get_string()};
}

wall_time time(const json::object& in, std::string_view name) {
    const auto& value = member(in, name);
    if (!value.is_int64())
        damaged(name, "is not a number of milliseconds");
    return wall_time{std::chrono::milliseconds{value.get_int64()}};
}

json::value to_json(wall_time when) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count();
}

std::vector<identifier> read_names(const json::object& in) {
    const auto& value = member(in, "names");
    if (!value.is_array())
        damaged("names", "is not a list");
    std::vector<identifier> names;
    for (const auto& entry : value.get_array()) {
        const auto name = entry.is_string() ? identifier::parse(entry.get_string()) : std::nullopt;
        if (!name)
            damaged("names", "has something that is not a name");
        names.push_back(*name);
    }
    return names;
}

json::array names_to_json(const std::vector<identifier>& names) {
    json::array list;
    for (const auto& name : names)
        list.emplace_back(name.value());
    return list;
}

}  // namespace

std::string account_key(std::string_view directory_url) {
    const auto ca = parse_url(directory_url);
    if (!ca || ca->scheme != "https")
        throw error{errc::invalid_options, "the directory URL " + quoted(directory_url) + " is not an https URL"};
    return ca->port == 443 ? "accounts/" + ca->host : fmt::format("accounts/{}:{}", ca->host, ca->port);
}

std::string certificate_key(const std::vector<identifier>& names) {
    auto key = "certificates/" + names.at(0).value();
    if (names.size() > 1) {
        const std::set<identifier> sorted{names.begin(), names.end()};
        const auto digest = sha256(as_bytes(to_string({sorted.begin(), sorted.end()})));
        key += ':';
        for (std::size_t i = 0; i < 8; ++i)
            key += fmt::format("{:02x}", digest[i]);
    }
    return key;
}

double draw_for(std::string_view chain_pem) {
    const auto digest = sha256(as_bytes(chain_pem));
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < sizeof bits; ++i)
        bits = bits << 8 | digest[i];
    return bits / 4294967296.0;
}

json::object to_json(const account_record& account) {
    return {
        {"directory", account.directory_url},
        {"email", account.email},
        {"url", account.url},
        {"key", account.key.to_pem()}};
}

json::object to_json(const certificate_record& record) {
    return {
        {"names", names_to_json(record.names)},
        {"draw", record.draw},
        {"chain", record.certificate->chain_pem()},
        {"key", record.certificate->key().to_pem()}};
}

json::object to_json(const host_policy& hosts) { return {{"any", hosts.any}, {"names", names_to_json(hosts.names)}}; }

json::object to_json(const limits_record& limits) {
    return {{"orders_full_ms", to_json(limits.orders_full)}, {"new_hosts_full_ms", to_json(limits.new_hosts_full)}};
}

account_record read_account(const json::object& in) {
    return {text(in, "directory"), text(in, "email"), text(in, "url"), private_key::from_pem(text(in, "key"))};
}

certificate_record read_certificate(const json::object& in) {
    auto names = read_names(in);
    if (names.empty())
        damaged("names", "is empty");
    // A certificate that somebody put into the store's folder has none.
    const auto* draw = in.if_contains("draw");
    if (draw && !draw->is_double() && !draw->is_int64())
        damaged("draw", "is not a number");
    auto read = std::make_shared<const certificate>(text(in, "chain"), private_key::from_pem(text(in, "key")));
    for (const auto& name : names)
        if (!read->covers(name))
            damaged("chain", "is not a certificate for " + name.value());
    const auto drawn = draw ? draw->to_number<double>() : draw_for(text(in, "chain"));
    return {std::move(names), std::move(read), std::clamp(drawn, 0.0, 1.0)};
}

host_policy read_hosts(const json::object& in) {
    const auto& any = member(in, "any");
    if (!any.is_bool())
        damaged("any", "is not true or false");
    return {any.get_bool(), read_names(in), false};
}

limits_record read_limits(const json::object& in) {
    return {time(in, "orders_full_ms"), time(in, "new_hosts_full_ms")};
}

}  // namespace evercert
