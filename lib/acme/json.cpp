#include "acme/json.hpp"

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "acme/dates.hpp"
#include "http/url.hpp"

namespace evercert::acme {
namespace {

/// Of an answer that is not what it should be, this much is shown.
constexpr std::size_t shown_max = 80;

}  // namespace

void throw_malformed(json_source source, const std::string& text) {
    throw error{errc::acme_malformed, fmt::format("the CA's {} {} ({})", source.what, text, quoted(source.url))};
}

boost::json::object parse_json_object(std::string_view body, json_source source) {
    if (body.size() > json_size_max)
        throw_malformed(source, fmt::format("has more than {} bytes", json_size_max));
    boost::json::parse_options options;
    options.max_depth = json_depth_max;
    boost::json::error_code failed;
    auto value = boost::json::parse({body.data(), body.size()}, failed, {}, options);
    if (failed)
        throw_malformed(source, fmt::format("is not JSON ({}): {}", failed.message(), quoted(body, shown_max)));
    if (!value.is_object())
        throw_malformed(source, fmt::format("is not a JSON object: {}", quoted(body, shown_max)));
    return std::move(value.get_object());
}

bool is_https_url(std::string_view text) noexcept {
    if (text.size() > url_size_max)
        return false;
    auto parsed = parse_url(text);
    return parsed && parsed->scheme == "https";
}

std::string json_reader::text(std::string_view name, std::size_t size_max) const {
    return to_text(name, require(name), size_max);
}

std::optional<std::string> json_reader::optional_text(std::string_view name, std::size_t size_max) const {
    const auto* value = find(name);
    if (!value)
        return {};
    return to_text(name, *value, size_max);
}

std::string json_reader::url(std::string_view name) const { return to_url(name, require(name)); }

std::optional<std::string> json_reader::optional_url(std::string_view name) const {
    const auto* value = find(name);
    if (!value)
        return {};
    return to_url(name, *value);
}

wall_time json_reader::time(std::string_view name) const {
    require(name);
    return *optional_time(name);
}

std::optional<wall_time> json_reader::optional_time(std::string_view name) const {
    constexpr std::size_t time_size_max = 64;
    auto text = optional_text(name, time_size_max);
    if (!text)
        return {};
    auto time = parse_rfc3339(*text);
    if (!time)
        fail(fmt::format("has a \"{}\" that is not an RFC 3339 time: {}", name, quoted(*text)));
    return time;
}

bool json_reader::flag(std::string_view name) const {
    const auto* value = find(name);
    if (value && !value->is_bool())
        fail(fmt::format("has a \"{}\" that is neither true nor false", name));
    return value && value->get_bool();
}

const boost::json::array& json_reader::list(std::string_view name, std::size_t count_max) const {
    require(name);
    return *optional_list(name, count_max);
}

const boost::json::array* json_reader::optional_list(std::string_view name, std::size_t count_max) const {
    const auto* value = find(name);
    if (!value)
        return nullptr;
    const auto* array = value->if_array();
    if (!array)
        fail(fmt::format("has a \"{}\" that is not an array", name));
    if (array->size() > count_max)
        fail(fmt::format("has more than {} entries in \"{}\"", count_max, name));
    return array;
}

std::vector<const boost::json::object*> json_reader::objects(std::string_view name, std::size_t count_max) const {
    std::vector<const boost::json::object*> result;
    for (auto& entry : list(name, count_max)) {
        if (!entry.is_object())
            fail(fmt::format("has an entry in \"{}\" that is not an object", name));
        result.push_back(&entry.get_object());
    }
    return result;
}

const boost::json::object* json_reader::optional_object(std::string_view name) const {
    const auto* value = find(name);
    if (value && !value->is_object())
        fail(fmt::format("has a \"{}\" that is not an object", name));
    return value ? &value->get_object() : nullptr;
}

const boost::json::value* json_reader::find(std::string_view name) const {
    const auto* value = object_.if_contains({name.data(), name.size()});
    return value && !value->is_null() ? value : nullptr;
}

const boost::json::value& json_reader::require(std::string_view name) const {
    const auto* value = find(name);
    if (!value)
        fail(fmt::format("has no \"{}\"", name));
    return *value;
}

std::string json_reader::to_text(std::string_view name, const boost::json::value& value, std::size_t size_max) const {
    const auto* text = value.if_string();
    if (!text)
        fail(fmt::format("has a \"{}\" that is not a string", name));
    if (text->size() > size_max)
        fail(fmt::format("has a \"{}\" of more than {} bytes", name, size_max));
    return {text->data(), text->size()};
}

std::string json_reader::to_url(std::string_view name, const boost::json::value& value) const {
    auto text = to_text(name, value, url_size_max);
    if (!is_https_url(text))
        fail(fmt::format("has a \"{}\" that is not an https URL: {}", name, quoted(text)));
    return text;
}

}  // namespace evercert::acme
