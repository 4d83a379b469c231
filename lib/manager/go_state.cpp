#include "manager/go_state.hpp"

#include <algorithm>
#include <array>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <evercert/certificate.hpp>
#include <evercert/error.hpp>

#include "manager/state.hpp"

namespace evercert {
namespace {

namespace json = boost::json;

[[noreturn]] void damaged(const std::string& reason) {
    throw error{errc::state_damaged, "the state of Go's letsencrypt package is damaged: " + reason};
}

const json::value& member(const json::object& in, std::string_view name, const std::string& place = {}) {
    const auto* found = in.if_contains(name);
    if (!found)
        damaged(fmt::format("{}\"{}\" is missing", place, name));
    return *found;
}

std::string_view text(const json::object& in, std::string_view name, const std::string& place = {}) {
    const auto& value = member(in, name, place);
    if (!value.is_string())
        damaged(fmt::format("{}\"{}\" is not a text", place, name));
    return value.get_string();
}

/// The large states are our own, and begin with this member: no need to parse them twice.
bool begins_as_ours(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    const auto skip_space = [&] { text.remove_prefix(std::min(text.find_first_not_of(space), text.size())); };
    skip_space();
    if (!text.starts_with('{'))
        return false;
    text.remove_prefix(1);
    skip_space();
    return text.starts_with("\"evercert\"");
}

/// The package wrote all of its members, always; one is enough to know it by.
bool is_go_state(const json::object& state) {
    constexpr std::array<std::string_view, 5> names{"Email", "Reg", "Key", "Hosts", "Certs"};
    return !state.contains("evercert") &&
        std::any_of(names.begin(), names.end(), [&](std::string_view name) { return state.contains(name); });
}

json::object convert_hosts(const json::value& hosts) {
    json::array names;
    if (!hosts.is_null() && !hosts.is_array())
        damaged("\"Hosts\" is neither null nor a list");
    if (hosts.is_array()) {
        for (const auto& host : hosts.get_array()) {
            if (!host.is_string())
                damaged("\"Hosts\" has something that is not a text");
            if (const auto name = identifier::parse(host.get_string()))
                names.emplace_back(name->value());
        }
    }
    return {{"any", hosts.is_null()}, {"names", std::move(names)}};
}

struct converted_certificate {
    json::object item;
    wall_time not_after;
};

converted_certificate convert_certificate(const identifier& name, const json::value& entry, const std::string& place) {
    if (!entry.is_object())
        damaged(place + "it is not an object");
    const auto chain = text(entry.get_object(), "Cert", place);
    const auto key = text(entry.get_object(), "Key", place);
    try {
        const certificate read{chain, private_key::from_pem(key)};
        if (!read.covers(name))
            damaged(place + "the certificate is for other names: " + to_string(read.names()));
        json::object item{
            {"names", json::array{name.value()}},
            {"draw", draw_for(chain)},
            {"chain", read.chain_pem()},
            {"key", read.key().to_pem()}};
        return {std::move(item), read.not_after()};
    } catch (const error& e) {
        if (e.code() == errc::state_damaged)
            throw;
        damaged(place + e.what());
    }
}

void add_certificates(const json::value& all, wall_time now, state_items& items) {
    if (all.is_null())
        return;
    if (!all.is_object())
        damaged("\"Certs\" is not an object");
    for (const auto& entry : all.get_object()) {
        const auto place = fmt::format("\"Certs\", {}: ", quoted(entry.key()));
        const auto name = identifier::parse(entry.key());
        if (!name)
            damaged(place + "that is not a name");
        auto converted = convert_certificate(*name, entry.value(), place);
        if (converted.not_after > now)
            items.insert_or_assign(certificate_key({*name}), std::move(converted.item));
    }
}

void add_account(const json::object& state, std::string_view directory_url, state_items& items) {
    const auto email = text(state, "Email");
    const auto key = text(state, "Key");
    if (key.empty())
        return;  // it had never registered
    try {
        const account_record account{std::string{directory_url}, std::string{email}, {}, private_key::from_pem(key)};
        items[account_key(directory_url)] = to_json(account);
    } catch (const error& e) {
        if (e.code() != errc::invalid_key)
            throw;
        damaged(fmt::format("\"Key\": {}", e.what()));
    }
}

}  // namespace

std::optional<state_items> read_go_state(std::string_view text, std::string_view directory_url, wall_time now) {
    if (text.size() > document_size_max || begins_as_ours(text))
        return {};
    boost::system::error_code failed;
    const auto parsed = json::parse(text, failed);
    const auto* state = failed ? nullptr : parsed.if_object();
    if (!state || !is_go_state(*state))
        return {};
    state_items items;
    add_account(*state, directory_url, items);
    items[std::string{hosts_key}] = convert_hosts(member(*state, "Hosts"));
    add_certificates(member(*state, "Certs"), now, items);
    return items;
}

}  // namespace evercert
