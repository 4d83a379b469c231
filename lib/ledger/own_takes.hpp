#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace evercert {

/// What this process has taken from each bucket, less what it gave back, that the store does not have yet: so the takes of processes
/// that share a store add up. A pure value; not synchronized.
class own_takes {
public:
    void add(std::string_view key, int tokens);
    int missing(std::string_view key) const;

    /// What is missing of a shard is being saved.
    void sent(int shard);
    /// What was sent is in the store.
    void arrived(int shard);

    std::size_t size() const noexcept { return entries_.size(); }
    /// What is forgotten is not added to what others took: the larger debt counts.
    template <typename Predicate>
    void forget_if(Predicate holds) {
        std::erase_if(entries_, [&](const auto& one) { return holds(one.first); });
    }

private:
    struct entry {
        int since = 0;  ///< it was sent last
        int sent = 0;
    };
    std::map<std::string, entry, std::less<>> entries_;
};

}  // namespace evercert
