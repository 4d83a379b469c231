#include "ledger/own_takes.hpp"

#include <utility>

#include "ledger/ending_map.hpp"

namespace evercert {

void own_takes::add(std::string_view key, int tokens) {
    const auto at = entries_.try_emplace(std::string{key}).first;
    at->second.since += tokens;
    if (at->second.since == 0 && at->second.sent == 0)
        entries_.erase(at);
}

int own_takes::missing(std::string_view key) const {
    const auto at = entries_.find(key);
    return at == entries_.end() ? 0 : at->second.since + at->second.sent;
}

void own_takes::sent(int shard) {
    for (auto& [key, one] : entries_)
        if (shard_of_key(key) == shard)
            one.sent += std::exchange(one.since, 0);
}

void own_takes::arrived(int shard) {
    for (auto& [key, one] : entries_)
        if (shard_of_key(key) == shard)
            one.sent = 0;
    std::erase_if(entries_, [](const auto& one) { return one.second.since == 0 && one.second.sent == 0; });
}

}  // namespace evercert
