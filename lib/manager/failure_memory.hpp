#pragma once

#include <algorithm>
#include <exception>
#include <map>
#include <string>

#include <evercert/clock.hpp>

namespace evercert {

/// Names that failed lately, so that handshakes for them are refused without asking the CA again. Bounded: beyond
/// `entries_max` the one that ends first is forgotten. A pure value; not synchronized.
class failure_memory {
public:
    /// A name is refused for `first` after its first failure, and twice as long after each further one, up to `most`. The count
    /// is kept for `most` beyond the refusal.
    failure_memory(std::size_t entries_max, duration first, duration most)
        : entries_max_{entries_max}, first_{first}, most_{std::max(first, most)} {}

    /// What failed, if it is still remembered.
    std::exception_ptr find(const std::string& key, steady_time now);
    /// `at_least`: what a CA asked for.
    void remember(const std::string& key, std::exception_ptr what, steady_time now, duration at_least = {});
    void forget(const std::string& key);
    void clear();
    std::size_t size() const noexcept { return by_key_.size(); }

private:
    struct entry {
        std::exception_ptr what;
        steady_time until;
        int failures = 0;
        std::multimap<steady_time, std::string>::iterator end;
    };

    void drop_old(steady_time now);

    std::size_t entries_max_;
    duration first_;
    duration most_;
    std::map<std::string, entry> by_key_;
    std::multimap<steady_time, std::string> by_end_;
};

}  // namespace evercert
