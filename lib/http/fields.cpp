#include <algorithm>
#include <functional>
#include <limits>
#include <stdexcept>

#include <evercert/http_fields.hpp>

#include "http/ascii.hpp"

namespace evercert {

namespace {

// What a typical answer of a handler needs.
constexpr std::size_t text_first = 120;
constexpr std::size_t places_first = 4;

bool is_part_of(std::string_view part, const std::string& whole) noexcept {
    const std::less_equal<const char*> no_later;
    return no_later(whole.data(), part.data()) && no_later(part.data(), whole.data() + whole.size());
}

}  // namespace

std::string_view fields::get(std::string_view name) const noexcept {
    for (const auto& at : places_)
        if (equals_ignoring_case(name_of(at), name))
            return value_of(at);
    return {};
}

bool fields::has(std::string_view name) const noexcept {
    return std::any_of(
        places_.begin(), places_.end(), [&](const place& at) { return equals_ignoring_case(name_of(at), name); });
}

std::vector<std::string_view> fields::all(std::string_view name) const {
    std::vector<std::string_view> result;
    for (const auto& at : places_)
        if (equals_ignoring_case(name_of(at), name))
            result.push_back(value_of(at));
    return result;
}

std::uint32_t fields::append(std::string_view text) {
    if (text_.size() + text.size() > std::numeric_limits<std::uint32_t>::max())
        throw std::length_error{"header fields of more than 4 GB"};
    const auto at = static_cast<std::uint32_t>(text_.size());
    text_.append(text);
    return at;
}

void fields::add(std::string_view name, std::string_view value) {
    // A field's own text may move while it is appended to.
    if (is_part_of(name, text_) || is_part_of(value, text_))
        return add(std::string{name}, std::string{value});
    if (places_.empty()) {
        text_.reserve(std::max(text_first, name.size() + value.size()));
        places_.reserve(places_first);
    }
    place at;
    at.name = append(name);
    at.name_size = static_cast<std::uint32_t>(name.size());
    at.value = append(value);
    at.value_size = static_cast<std::uint32_t>(value.size());
    places_.push_back(at);
}

void fields::set(std::string_view name, std::string_view value) {
    if (is_part_of(name, text_) || is_part_of(value, text_))
        return set(std::string{name}, std::string{value});
    const auto named = [&](const place& at) { return equals_ignoring_case(name_of(at), name); };
    const auto first = std::find_if(places_.begin(), places_.end(), named);
    if (first == places_.end())
        return add(name, value);
    first->value = append(value);
    first->value_size = static_cast<std::uint32_t>(value.size());
    places_.erase(std::remove_if(std::next(first), places_.end(), named), places_.end());
}

void fields::erase(std::string_view name) {
    std::erase_if(places_, [&](const place& at) { return equals_ignoring_case(name_of(at), name); });
    if (places_.empty())
        text_.clear();
}

void fields::clear() noexcept {
    places_.clear();
    text_.clear();
}

}  // namespace evercert
