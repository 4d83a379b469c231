#pragma once

#include <cstddef>
#include <iterator>
#include <map>
#include <utility>

namespace evercert::testing {

/// Records by their number, from 1 on. A number is never used twice; a reference is good until its record is erased.
template <typename Record>
class numbered {
public:
    Record& add(Record record) {
        record.id = ++added_;
        return records_.emplace_hint(records_.end(), added_, std::move(record))->second;
    }
    /// Null for one that was never there or was erased.
    Record* find(std::size_t id) {
        const auto found = records_.find(id);
        return found == records_.end() ? nullptr : &found->second;
    }
    const Record* find(std::size_t id) const { return const_cast<numbered*>(this)->find(id); }

    template <typename Predicate>
    void erase_if(Predicate is_over) {
        for (auto at = records_.begin(); at != records_.end();)
            at = is_over(at->second) ? records_.erase(at) : std::next(at);
    }
    void erase(std::size_t id) { records_.erase(id); }
    void clear() { records_.clear(); }

    /// The latest; not to be called if there is none.
    const Record& back() const { return records_.rbegin()->second; }
    bool empty() const { return records_.empty(); }
    std::size_t size() const { return records_.size(); }
    /// Erased ones too.
    std::size_t added() const { return added_; }

    // Pairs of number and record, in the order they were added.
    auto begin() { return records_.begin(); }
    auto end() { return records_.end(); }
    auto begin() const { return records_.begin(); }
    auto end() const { return records_.end(); }

private:
    std::map<std::size_t, Record> records_;
    std::size_t added_ = 0;
};

}  // namespace evercert::testing
