#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace evercert {

/// A text that many objects have the same of, such as the URL of their CA: it is kept once, for as long as one of them has it,
/// and each takes two words. Immutable; thread-safe.
class interned_text {
public:
    interned_text() = default;
    interned_text(std::string_view);
    interned_text(const std::string& text) : interned_text{std::string_view{text}} {}

    bool empty() const noexcept { return !text_; }
    const std::string& value() const noexcept;

    friend bool operator==(const interned_text& a, std::string_view b) noexcept { return a.value() == b; }

private:
    std::shared_ptr<const std::string> text_;  ///< null: empty
};

}  // namespace evercert
