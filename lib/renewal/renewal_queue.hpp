#pragma once

#include <map>
#include <optional>
#include <string>

#include <evercert/clock.hpp>

namespace evercert {

/// When which certificate is to be renewed, the earliest first: no scan over all certificates, ever. A pure value; not
/// synchronized.
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

private:
    using timetable = std::multimap<wall_time, std::string>;
    std::map<std::string, timetable::iterator> by_key_;
    timetable by_time_;
};

}  // namespace evercert
