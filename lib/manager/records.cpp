#include "manager/records.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/wall_time.hpp"
#include "crypto/encoding.hpp"
#include "crypto/jws.hpp"
#include "http/url.hpp"

namespace evercert {
namespace {

namespace json = boost::json;

/// No address and no digest in hexadecimal ends so.
constexpr std::array<std::string_view, key_kinds> kind_suffixes{"", ":p384", ":rsa", ":ed25519"};

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

bool truth(const json::value& value, std::string_view name) {
    if (!value.is_bool())
        damaged(name, "is not true or false");
    return value.get_bool();
}

wall_time time_of(const json::value& value, std::string_view name) {
    if (!value.is_int64())
        damaged(name, "is not a number of milliseconds");
    return from_milliseconds(value.get_int64());
}

wall_time time(const json::object& in, std::string_view name) { return time_of(member(in, name), name); }

json::value to_json(wall_time when) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count();
}

std::optional<wall_time> time_if_any(const json::object& in, std::string_view name) {
    std::optional<wall_time> found;
    if (in.if_contains(name))
        found = time(in, name);
    return found;
}

std::string text_if_any(const json::object& in, std::string_view name) {
    return in.if_contains(name) ? text(in, name) : std::string{};
}

std::vector<identifier> read_names(const json::object& in, std::string_view list_name) {
    const auto& value = member(in, list_name);
    if (!value.is_array())
        damaged(list_name, "is not a list");
    std::vector<identifier> names;
    for (const auto& entry : value.get_array()) {
        const auto name = entry.is_string() ? identifier::parse(entry.get_string()) : std::nullopt;
        if (!name)
            damaged(list_name, "has something that is not a name");
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

/// Two directories may be on one host.
std::string ca_segment(std::string_view directory_url) {
    auto segment = account_key(directory_url).substr(std::string_view{"accounts/"}.size());
    const auto digest = sha256(as_bytes(directory_url));
    segment += ':';
    for (std::size_t i = 0; i < 4; ++i)
        segment += fmt::format("{:02x}", digest[i]);
    return segment;
}

bool covers(const held_certificate& held, const identifier& name) {
    const auto wildcard = name.wildcard();
    return std::any_of(held.names().begin(), held.names().end(), [&](const identifier& one) {
        return one == name || (wildcard && one == *wildcard);
    });
}

}  // namespace

limits_record merged(limits_record mine, limits_record other) {
    if (mine.written == wall_time{})
        mine.written = other.written;
    // By a clock that was ahead of ours: its debts were no larger for that.
    const auto ahead = std::max<duration>(between(mine.written, other.written), {});
    const auto larger = [ahead](wall_time& here, wall_time there) { here = std::max(here, plus(there, -ahead)); };
    larger(mine.orders_full, other.orders_full);
    larger(mine.new_hosts_full, other.new_hosts_full);
    larger(mine.polls_full, other.polls_full);
    for (auto& when : other.latest_orders)
        when = plus(when, -ahead);
    const auto last = [](const limits_record& one) {
        const auto& all = one.latest_orders;
        return all.empty() ? wall_time::min() : *std::max_element(all.begin(), all.end());
    };
    if (last(mine) < last(other))
        mine.latest_orders = std::move(other.latest_orders);
    return mine;
}

std::string account_key(std::string_view directory_url) {
    const auto ca = parse_url(directory_url);
    if (!ca || ca->scheme != "https")
        throw error{errc::invalid_options, "the directory URL " + quoted(directory_url) + " is not an https URL"};
    return ca->port == 443 ? "accounts/" + ca->host : fmt::format("accounts/{}:{}", ca->host, ca->port);
}

std::string certificate_key(const std::vector<identifier>& names, key_kind kind) {
    auto key = "certificates/" + names.at(0).value();
    if (names.size() > 1) {
        const std::set<identifier> sorted{names.begin(), names.end()};
        const auto digest = sha256(as_bytes(to_string({sorted.begin(), sorted.end()})));
        key += ':';
        for (std::size_t i = 0; i < 8; ++i)
            key += fmt::format("{:02x}", digest[i]);
    }
    return key += kind_suffixes[static_cast<std::size_t>(kind)];
}

key_kind kind_in(std::string_view certificate_key) {
    for (const auto kind : {key_kind::ec_p384, key_kind::rsa, key_kind::ed25519})
        if (certificate_key.ends_with(kind_suffixes[static_cast<std::size_t>(kind)]))
            return kind;
    return key_kind::ec_p256;
}

std::string for_kind(std::string_view certificate_key, key_kind kind) {
    certificate_key.remove_suffix(kind_suffixes[static_cast<std::size_t>(kind_in(certificate_key))].size());
    return std::string{certificate_key} + std::string{kind_suffixes[static_cast<std::size_t>(kind)]};
}

double draw_for(std::string_view chain_pem) {
    const auto digest = sha256(as_bytes(chain_pem));
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < sizeof bits; ++i)
        bits = bits << 8 | digest[i];
    return bits / 4294967296.0;
}

std::string pending_key(std::string_view certificate_key) {
    return std::string{orders_prefix} + std::string{certificate_key.substr(certificates_prefix.size())};
}

std::string failures_key(std::string_view directory_url, int shard) {
    return fmt::format("failures/{}/{:x}", ca_segment(directory_url), shard);
}

std::string ledger_key(std::string_view directory_url, int shard) {
    return fmt::format("ledger/{}/{:x}", ca_segment(directory_url), shard);
}

std::string limits_key(std::string_view directory_url) { return "limits/" + ca_segment(directory_url); }

std::string account_tag(const private_key& key) { return jwk_thumbprint(key).substr(0, 16); }

namespace {

/// As it stays when it is written and read: JSON parsers read some doubles as their neighbours.
double kept_draw(double draw) {
    constexpr double parts = 1e6;
    return std::clamp(std::round(draw * parts), 0.0, parts - 1) / parts;
}

}  // namespace

certificate_record::certificate_record(const std::vector<identifier>& names, held_ptr held, double own_draw)
    : certificate{std::move(held)}, draw{kept_draw(own_draw)}, obtained{certificate->not_before()} {
    if (names != certificate->names())
        asked = names;
}

json::object to_json(const account_record& account) {
    return {
        {"directory", account.directory_url},
        {"email", account.email},
        {"url", account.url},
        {"key", account.key.to_pem()}};
}

json::object to_json(const certificate_record& record) {
    json::object out{
        {"names", names_to_json(record.names())},
        {"certificate_names", names_to_json(record.certificate->names())},
        {"not_before_ms", to_json(record.certificate->not_before())},
        {"not_after_ms", to_json(record.certificate->not_after())},
        {"obtained_ms", to_json(record.obtained)},
        {"draw", record.draw}};
    if (!record.directory_url.empty())
        out["directory"] = record.directory_url.value();
    if (record.window) {
        out["window_start_ms"] = to_json(record.window->start);
        out["window_end_ms"] = to_json(record.window->end);
    }
    if (record.poll_at)
        out["poll_at_ms"] = to_json(*record.poll_at);
    out["chain"] = record.certificate->chain_pem();
    out["key"] = record.certificate->key_pem();
    return out;
}

json::object to_json(const pending_order& order) {
    return {
        {"directory", order.directory_url},
        {"url", order.url},
        {"key", order.key.to_pem()},
        {"at_ms", to_json(order.at)},
        {"replaces", order.replaces}};
}

json::object to_json(const host_policy& hosts) { return {{"any", hosts.any}, {"names", names_to_json(hosts.names)}}; }

json::object to_json(const limits_record& limits) {
    json::array latest;
    for (const auto when : limits.latest_orders)
        latest.push_back(to_json(when));
    return {
        {"orders_full_ms", to_json(limits.orders_full)},
        {"new_hosts_full_ms", to_json(limits.new_hosts_full)},
        {"polls_full_ms", to_json(limits.polls_full)},
        {"latest_orders_ms", std::move(latest)},
        {"written_ms", to_json(limits.written)}};
}

account_record read_account(const json::object& in) {
    return {text(in, "directory"), text(in, "email"), text(in, "url"), private_key::from_pem(text(in, "key"))};
}

certificate_record read_certificate(const json::object& in) {
    const auto names = read_names(in, "names");
    if (names.empty())
        damaged("names", "is empty");
    // A certificate that somebody put into the store's folder has none.
    const auto* draw = in.if_contains("draw");
    if (draw && !draw->is_double() && !draw->is_int64() && !draw->is_uint64())
        damaged("draw", "is not a number");
    held_ptr held;
    if (const auto not_before = time_if_any(in, "not_before_ms")) {
        const auto not_after = time(in, "not_after_ms");
        held = std::make_shared<const held_certificate>(
            text(in, "chain"), text(in, "key"), read_names(in, "certificate_names"), *not_before, not_after);
    } else {
        held = std::make_shared<const held_certificate>(
            std::make_shared<const certificate>(text(in, "chain"), private_key::from_pem(text(in, "key"))));
    }
    for (const auto& name : names)
        if (!covers(*held, name))
            damaged("chain", "is not a certificate for " + name.value());
    const auto drawn = draw ? draw->to_number<double>() : draw_for(text(in, "chain"));
    certificate_record record{names, std::move(held), std::clamp(drawn, 0.0, 1.0)};
    record.obtained = time_if_any(in, "obtained_ms").value_or(record.obtained);
    record.directory_url = text_if_any(in, "directory");
    if (const auto start = time_if_any(in, "window_start_ms"))
        record.window = suggested_window{*start, time(in, "window_end_ms")};
    record.poll_at = time_if_any(in, "poll_at_ms");
    return record;
}

pending_order read_pending(const json::object& in) {
    pending_order order{
        text(in, "directory"), text(in, "url"), private_key::from_pem(text(in, "key")), time(in, "at_ms")};
    if (const auto* replaces = in.if_contains("replaces"))
        order.replaces = truth(*replaces, "replaces");
    return order;
}

host_policy read_hosts(const json::object& in) {
    host_policy hosts{truth(member(in, "any"), "any"), read_names(in, "names"), false};
    std::sort(hosts.names.begin(), hosts.names.end());
    return hosts;
}

limits_record read_limits(const json::object& in) {
    limits_record limits{time(in, "orders_full_ms"), time(in, "new_hosts_full_ms"), {}, {}, {}};
    limits.polls_full = time_if_any(in, "polls_full_ms").value_or(wall_time{});
    limits.written = time_if_any(in, "written_ms").value_or(wall_time{});
    if (const auto* latest = in.if_contains("latest_orders_ms")) {
        if (!latest->is_array())
            damaged("latest_orders_ms", "is not a list");
        for (const auto& when : latest->get_array()) {
            limits.latest_orders.push_back(time_of(when, "latest_orders_ms"));
        }
    }
    return limits;
}

}  // namespace evercert
