#include "store/document.hpp"

#include <algorithm>
#include <cmath>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

namespace evercert {
namespace {

namespace json = boost::json;

[[noreturn]] void damaged(const std::string& reason) {
    throw error{errc::state_damaged, "the state is damaged: " + reason};
}

std::size_t line_of(std::string_view text, std::size_t offset) {
    return 1 + static_cast<std::size_t>(std::count(text.begin(), text.begin() + static_cast<long>(offset), '\n'));
}

json::value parse(std::string_view text) {
    json::stream_parser parser;
    boost::system::error_code failed;
    const auto consumed = parser.write_some(text.data(), text.size(), failed);
    if (!failed && consumed == text.size())
        parser.finish(failed);
    if (failed)
        damaged(fmt::format("line {} is not JSON ({})", line_of(text, consumed), failed.message()));
    if (text.substr(consumed).find_first_not_of(" \t\r\n") != std::string_view::npos)
        damaged(fmt::format("there is more after its end, on line {}", line_of(text, consumed)));
    return parser.release();
}

}  // namespace

bool is_finite(const json::value& value) {
    if (const auto* number = value.if_double())
        return std::isfinite(*number);
    if (const auto* list = value.if_array())
        return std::all_of(list->begin(), list->end(), is_finite);
    const auto* object = value.if_object();
    return !object ||
        std::all_of(object->begin(), object->end(), [](const auto& entry) { return is_finite(entry.value()); });
}

std::string write_document(const state_items& items) {
    std::string text = fmt::format("{{\"evercert\": {}, \"items\": {{", document_version);
    const char* separator = "\n";
    for (const auto& [key, value] : items) {
        text += separator;
        text += json::serialize(json::string_view{key});
        text += ": ";
        text += json::serialize(value);
        separator = ",\n";
    }
    text += "\n}}\n";
    return text;
}

state_items read_document(std::string_view text) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return {};
    if (text.size() > document_size_max)
        damaged(fmt::format("{} bytes are more than a state can have", text.size()));
    const auto document = parse(text);
    const auto* object = document.if_object();
    const auto* version = object ? object->if_contains("evercert") : nullptr;
    if (object && !version && object->contains("Certs") && object->contains("Reg"))
        damaged(
            "it was written by Go's letsencrypt package: read its text with unmarshal(), and give cache_file() a file "
            "of its own");
    if (!version || !version->is_int64())
        damaged("it has no \"evercert\" version, so it was not written by evercert");
    if (version->get_int64() > document_version)
        throw error{
            errc::state_version,
            fmt::format(
                "the state has version {}, and this evercert reads up to {}: use a later evercert",
                version->get_int64(), document_version)};
    if (version->get_int64() < 1)
        damaged(fmt::format("there is no version {}", version->get_int64()));
    const auto* entries = object->if_contains("items");
    if (!entries || !entries->is_object())
        damaged("it has no \"items\" object");
    state_items items;
    for (const auto& entry : entries->get_object()) {
        if (!entry.value().is_object())
            damaged(fmt::format("the item {} is not an object", quoted(entry.key())));
        if (!is_finite(entry.value()))
            damaged(fmt::format("the item {} has a number that is too large", quoted(entry.key())));
        items.emplace(entry.key(), entry.value().get_object());
    }
    return items;
}

}  // namespace evercert
