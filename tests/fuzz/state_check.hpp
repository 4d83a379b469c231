#pragma once

#include <string>

#include "fuzz.hpp"
#include "manager/state.hpp"

namespace fuzz {

inline const evercert::wall_time now = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
inline const std::string directory_url = "https://ca.test:14000/dir";

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
    must(evercert::write_document(again.items()) == text, "a state is the same after it was written and read");
    for (const auto& [key, value] : *written)
        must(again.item(key) == all.item(key), "an item is the same after it was written and read");
    return true;
}

}  // namespace fuzz
