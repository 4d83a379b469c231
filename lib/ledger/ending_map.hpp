#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <evercert/clock.hpp>

namespace evercert {

/// What is kept in so many parts, so that one change rewrites a sixteenth of it.
inline constexpr int ledger_shards = 16;
/// Of JSON, for each: a store takes no larger value than `store::value_max`, which is a little more.
inline constexpr std::size_t ledger_shard_size_max = 1'000'000;
using shard_set = std::bitset<ledger_shards>;

/// Before the account at the end of a key that is one's.
inline constexpr char account_mark = '@';

/// The same for a key in every process and version (FNV-1a), and whatever the account is, whose key is random.
constexpr int shard_of_key(std::string_view key) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : key.substr(0, key.find(account_mark)))
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return static_cast<int>((hash >> 32) % ledger_shards);
}

/// Values by key, each until its end. Bounded: beyond `entries_max`, and in each shard beyond `ledger_shard_size_max`, the one that
/// ends first goes, those that are `precious` last. Knows which shards were changed. A pure value; not synchronized. Everything is
/// O(log n) but for `shard`, `rewrite` and `any_of`.
template <typename Value>
class ending_map {
public:
    struct entry {
        Value value;
        typename std::multimap<wall_time, std::string>::iterator end;
        std::size_t size;
    };
    using shard_map = std::map<std::string, entry, std::less<>>;

    /// There are few precious keys: each is looked at when one goes.
    using precious = bool (*)(std::string_view key);
    /// How much JSON it is at most, whatever `rewrite` makes of it.
    using measure = std::size_t (*)(std::string_view key, const Value&);

    ending_map(
        std::size_t entries_max, measure size_of, precious is_precious = [](std::string_view) { return false; })
        : entries_max_{entries_max}, size_of_{size_of}, is_precious_{is_precious} {}
    // Entries know where their ends are: a move keeps these, a copy would not.
    ending_map(ending_map&&) = default;
    ending_map& operator=(ending_map&&) = default;

    const Value* find(std::string_view key) const {
        const auto& in = shards_[static_cast<std::size_t>(shard_of_key(key))];
        const auto at = in.find(key);
        return at == in.end() ? nullptr : &at->second.value;
    }

    void put(std::string_view key, Value value, wall_time ends) {
        erase(key);
        const auto shard = static_cast<std::size_t>(shard_of_key(key));
        const auto size_of_it = size_of_(key, value);
        if (entries_max_ == 0 || size_of_it > ledger_shard_size_max)
            return;
        if (size() >= entries_max_)
            evict([](std::string_view) { return true; });
        while (sizes_[shard] + size_of_it > ledger_shard_size_max)
            evict([shard](std::string_view other) { return static_cast<std::size_t>(shard_of_key(other)) == shard; });
        auto end = by_end_.emplace(ends, key);
        shards_[shard].emplace(key, entry{std::move(value), end, size_of_it});
        sizes_[shard] += size_of_it;
        changed_.set(shard);
    }

    bool erase(std::string_view key) {
        auto& in = shards_[static_cast<std::size_t>(shard_of_key(key))];
        const auto at = in.find(key);
        if (at == in.end())
            return false;
        by_end_.erase(at->second.end);
        sizes_[static_cast<std::size_t>(shard_of_key(key))] -= at->second.size;
        in.erase(at);
        changed_.set(static_cast<std::size_t>(shard_of_key(key)));
        return true;
    }

    /// Nobody has to hear of it: who reads them drops them, too.
    void erase_ended(wall_time now) {
        const auto before = changed_;
        while (!by_end_.empty() && by_end_.begin()->first <= now)
            erase(std::string{by_end_.begin()->second});
        changed_ = before;
    }

    /// Let `change(key, value)` change every value and return its new end.
    template <typename Change>
    void rewrite(Change change) {
        by_end_.clear();
        for (auto& in : shards_)
            for (auto& [key, one] : in)
                one.end = by_end_.emplace(change(key, one.value), key);
        changed_.set();
    }

    template <typename Predicate>
    bool any_of(Predicate holds) const {
        for (const auto& in : shards_)
            for (const auto& [key, one] : in)
                if (holds(one.value))
                    return true;
        return false;
    }

    std::size_t size() const noexcept { return by_end_.size(); }
    std::size_t entries_max() const noexcept { return entries_max_; }
    const shard_map& shard(int index) const { return shards_.at(static_cast<std::size_t>(index)); }

    /// What was changed since the last call.
    shard_set take_changed() noexcept { return std::exchange(changed_, {}); }
    void set_changed(shard_set changed) noexcept { changed_ = changed; }
    shard_set changed() const noexcept { return changed_; }

private:
    /// The first of those that `may_go`; there is one.
    template <typename Predicate>
    void evict(Predicate may_go) {
        auto first = by_end_.end(), at = by_end_.begin();
        for (; at != by_end_.end(); ++at) {
            if (!may_go(at->second))
                continue;
            if (!is_precious_(at->second))
                break;
            if (first == by_end_.end())
                first = at;
        }
        erase(std::string{(at == by_end_.end() ? first : at)->second});
    }

    std::size_t entries_max_;
    measure size_of_;
    precious is_precious_;
    std::array<shard_map, ledger_shards> shards_;
    std::array<std::size_t, ledger_shards> sizes_{};
    std::multimap<wall_time, std::string> by_end_;
    shard_set changed_;
};

}  // namespace evercert
