#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <evercert/clock.hpp>

namespace evercert {

/// What is due when, the earliest first: a binary heap, so that nothing ever scans all certificates. Everything is
/// O(log n). A pure value; not synchronized.
class renewal_queue {
public:
    struct entry {
        wall_time when;
        std::string key;
    };

    /// Plan, or plan anew.
    void plan(const std::string& key, wall_time when);
    void forget(const std::string& key);
    void clear();
    /// The earliest; it stays in the queue.
    std::optional<entry> next() const;
    std::size_t size() const noexcept { return heap_.size(); }

private:
    /// Key → place in the heap; its nodes stay where they are.
    using places = std::unordered_map<std::string, std::size_t>;
    struct item {
        wall_time when;
        places::value_type* key;
    };

    void put(std::size_t place, item);
    void rise(std::size_t place);
    void sink(std::size_t place);

    std::vector<item> heap_;
    places places_;
};

}  // namespace evercert
