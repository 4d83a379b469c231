#include "store/file_value.hpp"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <evercert/certificate.hpp>
#include <evercert/error.hpp>

#include "crypto/pem.hpp"
#include "store/document.hpp"

namespace evercert {
namespace {

namespace json = boost::json;

constexpr std::string_view first_line = "evercert: ";
constexpr std::string_view certificate_begin = "-----BEGIN CERTIFICATE-----";

[[noreturn]] void damaged(const std::string& reason) { throw error{errc::state_damaged, reason}; }

/// OpenSSL reads lines in pieces of 254 bytes, and a piece that begins like a PEM block begins one: no text of ours,
/// however long, has five dashes. They stand in JSON texts alone, where this is another spelling of the same.
std::string without_dashes(std::string text) {
    for (auto at = text.find("---"); at != text.npos; at = text.find("---", at + 6))
        text.replace(at, 1, "\\u002d");
    return text;
}

json::object with_key(const json::object& value, const std::string* key) {
    return key ? json::object{{"key", *key}, {"value", value}} : value;
}

read_file_value without_key(json::object file, bool holds_key) {
    if (!holds_key)
        return {std::move(file), {}};
    const auto* key = file.if_contains("key");
    const auto* value = file.if_contains("value");
    if (!key || !key->is_string() || !value || !value->is_object())
        damaged("it does not hold its key, which its name does not say");
    return {value->get_object(), std::string{key->get_string()}};
}

json::object parse_object(std::string_view text) {
    boost::system::error_code failed;
    auto parsed = json::parse(text, failed);
    if (failed)
        damaged(fmt::format("it is not JSON ({})", failed.message()));
    if (!parsed.is_object())
        damaged("it is not a JSON object");
    if (!is_finite(parsed))
        damaged("it has a number that is too large");
    return std::move(parsed.get_object());
}

const json::string* text_member(const json::object& value, std::string_view name) {
    const auto* member = value.if_contains(name);
    return member ? member->if_string() : nullptr;
}

std::size_t find_at_line(std::string_view text, std::string_view what) {
    auto at = text.find(what);
    while (at != text.npos && at != 0 && text[at - 1] != '\n')
        at = text.find(what, at + 1);
    return at;
}

/// What base64, labels and headers are made of. JSON cannot have everything that a file can.
bool is_pem_text(std::string_view text) {
    return std::all_of(
        text.begin(), text.end(), [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\r'; });
}

/// True if `chain` after `key` can be read, and told apart again.
bool is_pem_pair(std::string_view key, std::string_view chain) {
    return is_pem_text(key) && is_pem_text(chain) && key.starts_with("-----BEGIN ") &&
        key.find("PRIVATE KEY-----\n") != key.npos && key.ends_with("-----\n") &&
        find_at_line(key, certificate_begin) == key.npos && chain.starts_with(certificate_begin) &&
        chain.ends_with("-----\n");
}

/// Of somebody else: a private key, the certificate and its issuers, in any order of the two.
json::object read_foreign_pem(std::string_view text) {
    std::string key, chain;
    for (const auto& block : read_pem(text, errc::state_damaged)) {
        const auto pem = write_pem(block.label.c_str(), block.der);
        if (block.label == "CERTIFICATE")
            chain += pem;
        else if (block.label.ends_with("PRIVATE KEY") && !std::exchange(key, pem).empty())
            damaged("it has two private keys");
        if (block.encrypted || block.label == "ENCRYPTED PRIVATE KEY")
            damaged("its private key is encrypted: store it without a password");
    }
    if (key.empty() || chain.empty())
        damaged(fmt::format("it has no {}", key.empty() ? "private key" : "certificate"));
    const certificate parsed{chain, private_key::from_pem(key)};
    json::array names;
    for (const auto& name : parsed.names())
        names.emplace_back(name.value());
    return {{"names", std::move(names)}, {"chain", chain}, {"key", key}};
}

}  // namespace

std::optional<std::string> write_pem_file(const json::object& value, const std::string* key) {
    const auto* chain_pem = text_member(value, "chain");
    const auto* key_pem = text_member(value, "key");
    if (!chain_pem || !key_pem || !is_pem_pair(*key_pem, *chain_pem))
        return {};
    json::object rest;
    for (const auto& member : value)
        if (member.key() != "chain" && member.key() != "key")
            rest.emplace(member.key(), member.value());
    std::string text{first_line};
    text += without_dashes(json::serialize(with_key(rest, key)));
    text += '\n';
    text += std::string_view{*key_pem};
    text += std::string_view{*chain_pem};
    return text;
}

std::string write_json_file(const json::object& value, const std::string* key) {
    std::string text = "{";
    const char* separator = "\n  ";
    for (const auto& member : with_key(value, key)) {
        text += separator;
        text += json::serialize(json::string_view{member.key()});
        text += ": ";
        text += json::serialize(member.value());
        separator = ",\n  ";
    }
    text += "\n}\n";
    return text;
}

read_file_value read_pem_file(std::string_view text, bool holds_key) {
    if (!text.starts_with(first_line)) {
        if (holds_key)
            damaged("it does not hold its key, which its name does not say");
        return {read_foreign_pem(text), {}};
    }
    const auto line_end = text.find('\n');
    const auto pem = text.substr(std::min(line_end, text.size() - 1) + 1);
    auto read = without_key(parse_object(text.substr(first_line.size(), line_end - first_line.size())), holds_key);
    const auto chain_at = find_at_line(pem, certificate_begin);
    if (chain_at == 0 || chain_at == pem.npos)
        damaged("its private key or its certificate is missing");
    if (!is_pem_text(pem))
        damaged("its private key or its certificate has characters that PEM has not");
    read.value["chain"] = json::string_view{pem.substr(chain_at)};
    read.value["key"] = json::string_view{pem.substr(0, chain_at)};
    return read;
}

read_file_value read_json_file(std::string_view text, bool holds_key) {
    return without_key(parse_object(text), holds_key);
}

}  // namespace evercert
