#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace evercert {

/// Header or trailer fields in the order they came or were added (RFC 9110, section 5). Names compare without case.
///
/// All of it is one text and an index into it, so a request's fields are what came over the wire, not copied. What is
/// handed out refers to that text: it is good until the fields are changed, moved or destroyed.
class fields {
public:
    /// Name and value.
    using value_type = std::pair<std::string_view, std::string_view>;
    class iterator;

    fields() = default;

    /// The first value of the field; empty if there is none.
    std::string_view get(std::string_view name) const noexcept;
    bool has(std::string_view name) const noexcept;
    /// Every value of the field, in order.
    std::vector<std::string_view> all(std::string_view name) const;
    /// Replace every value of the field with this one.
    void set(std::string_view name, std::string_view value);
    /// Another value beside those that are there.
    void add(std::string_view name, std::string_view value);
    void erase(std::string_view name);
    void clear() noexcept;

    iterator begin() const noexcept;
    iterator end() const noexcept;
    std::size_t size() const noexcept { return places_.size(); }
    bool empty() const noexcept { return places_.empty(); }

    /// Where a field stands in the text.
    struct place {
        std::uint32_t name = 0, name_size = 0;
        std::uint32_t value = 0, value_size = 0;
    };
    /// Of a text that has the fields in it, somewhere. Every place must be inside of it.
    fields(std::string text, std::vector<place> places) noexcept : text_{std::move(text)}, places_{std::move(places)} {}

private:
    std::string_view name_of(const place& at) const noexcept { return {text_.data() + at.name, at.name_size}; }
    std::string_view value_of(const place& at) const noexcept { return {text_.data() + at.value, at.value_size}; }
    std::uint32_t append(std::string_view text);

    std::string text_;
    std::vector<place> places_;
};

/// Reads as a container's iterator; what it refers to is made as it is asked for.
class fields::iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = fields::value_type;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = value_type;

    iterator() = default;
    value_type operator*() const noexcept { return {of_->name_of(*at_), of_->value_of(*at_)}; }
    iterator& operator++() noexcept {
        ++at_;
        return *this;
    }
    iterator operator++(int) noexcept {
        auto before = *this;
        ++at_;
        return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.at_ == b.at_; }

private:
    friend class fields;
    iterator(const fields* of, const place* at) noexcept : of_{of}, at_{at} {}
    const fields* of_ = nullptr;
    const place* at_ = nullptr;
};

inline fields::iterator fields::begin() const noexcept { return {this, places_.data()}; }
inline fields::iterator fields::end() const noexcept { return {this, places_.data() + places_.size()}; }

}  // namespace evercert
