#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <evercert/clock.hpp>

namespace evercert {

/// What is due when, the earliest first: binary heaps, so that nothing ever scans all certificates. Everything is
/// O(log n). A certificate may be in several lists at once, and its key is kept once. A pure value; not synchronized.
class renewal_queue {
public:
    enum class list : unsigned char {
        acts,   ///< to renew, to forget, to tell of an end
        polls,  ///< to ask the CA when to renew
    };
    static constexpr std::size_t lists = 2;

    struct entry {
        wall_time when;
        std::string key;
    };

    /// Plan, or plan anew.
    void plan(const std::string& key, list, wall_time when);
    /// Off this list.
    void forget(const std::string& key, list);
    /// Off all lists.
    void forget(const std::string& key);
    void clear();
    /// The earliest; it stays in the list.
    std::optional<entry> next(list) const;
    /// The keys of what is due by then, in no order. O(1) for each of them.
    std::vector<std::string> due(list, wall_time by) const;

private:
    /// The places in the heaps.
    using places = std::array<std::uint32_t, lists>;
    static constexpr std::uint32_t nowhere = UINT32_MAX;
    /// Its nodes stay where they are.
    using planned = std::unordered_map<std::string, places>;
    struct item {
        wall_time when;
        planned::value_type* of;
    };

    /// The items of one list.
    class heap {
    public:
        explicit heap(list which) : which_{static_cast<std::size_t>(which)} {}
        void plan(planned::value_type&, wall_time when);
        void forget(planned::value_type&);
        void clear() { items_.clear(); }
        const item* first() const { return items_.empty() ? nullptr : &items_.front(); }
        std::vector<std::string> due(wall_time by) const;

    private:
        void put(std::size_t place, item);
        void rise(std::size_t place);
        void sink(std::size_t place);

        std::size_t which_;
        std::vector<item> items_;
    };

    heap& heap_of(list which) { return heaps_[static_cast<std::size_t>(which)]; }

    std::array<heap, lists> heaps_{heap{list::acts}, heap{list::polls}};
    planned planned_;
};

}  // namespace evercert
