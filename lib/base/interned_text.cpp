#include "base/interned_text.hpp"

#include <map>
#include <mutex>

namespace evercert {
namespace {

struct text_table {
    std::mutex mutex;
    std::map<std::string, std::weak_ptr<const std::string>, std::less<>> texts;
};

/// Never destroyed: static objects of the application may outlive it.
text_table& table() {
    static auto* const one = new text_table;
    return *one;
}

void forget(const std::string& text) {
    const std::lock_guard lock{table().mutex};
    const auto at = table().texts.find(text);
    // Another thread may have put a new one there since the last owner left.
    if (at != table().texts.end() && at->second.expired())
        table().texts.erase(at);
}

std::shared_ptr<const std::string> intern(std::string_view text) {
    auto& [mutex, texts] = table();
    const std::lock_guard lock{mutex};
    const auto at = texts.try_emplace(std::string{text}).first;
    if (auto known = at->second.lock())
        return known;
    const std::shared_ptr<const std::string> fresh{new std::string{text}, [](const std::string* last) {
                                                       forget(*last);
                                                       delete last;
                                                   }};
    at->second = fresh;
    return fresh;
}

}  // namespace

interned_text::interned_text(std::string_view text) {
    if (!text.empty())
        text_ = intern(text);
}

const std::string& interned_text::value() const noexcept {
    static const std::string none;
    return text_ ? *text_ : none;
}

}  // namespace evercert
