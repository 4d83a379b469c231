#pragma once

#include <cmath>
#include <limits>
#include <string>

#include <boost/json/value.hpp>

#include "fuzz.hpp"
#include "manager/state.hpp"
#include "store/document.hpp"

namespace fuzz {

inline const evercert::wall_time now = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
inline const std::string directory_url = "https://ca.test:14000/dir";

/// The same but for the last digits of fractions: see `write_document`.
inline bool is_same(const boost::json::value& one, const boost::json::value& other) {
    if (const auto *a = one.if_object(), *b = other.if_object(); a && b)
        return a->size() == b->size() && std::all_of(a->begin(), a->end(), [b = b](const auto& entry) {
                   const auto* found = b->if_contains(entry.key());
                   return found && is_same(entry.value(), *found);
               });
    if (const auto *a = one.if_array(), *b = other.if_array(); a && b)
        return std::equal(a->begin(), a->end(), b->begin(), b->end(), is_same);
    const auto *a = one.if_double(), *b = other.if_double();
    constexpr double digits = 8 * std::numeric_limits<double>::epsilon();
    return a && b ? std::abs(*a - *b) <= digits * std::abs(*a) + std::numeric_limits<double>::min() : one == other;
}

inline bool is_same(const evercert::state_items& one, const evercert::state_items& other) {
    return std::equal(one.begin(), one.end(), other.begin(), other.end(), [](const auto& a, const auto& b) {
        return a.first == b.first && is_same(a.second, b.second);
    });
}

/// The state of these items; nothing if they are refused. What it holds can be written and read, and is then the same.
inline bool accepts_state(const evercert::state_items& items) {
    evercert::state::bounds bounds;
    bounds.limits = evercert::lets_encrypt_limits();
    evercert::state all{directory_url, bounds};
    if (!accepts([&] { all.replace(items, now); }))
        return false;
    const auto text = evercert::write_document(all.items());
    const auto written = read([&] { return evercert::read_document(text); });
    must(written.has_value(), "a state that was written can be read");
    evercert::state again{directory_url, bounds};
    must(accepts([&] { again.replace(*written, now); }), "a state that was written is accepted");
    must(is_same(again.items(), all.items()), "a state is the same after it was written and read");
    for (const auto& [key, value] : *written) {
        const auto ours = again.item(key), before = all.item(key);
        must(
            ours && before ? is_same(*ours, *before) : ours == before,
            "an item is the same after it was written and read");
    }
    return true;
}

}  // namespace fuzz
