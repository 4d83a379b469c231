#pragma once

#include <exception>
#include <map>
#include <string>

#include <evercert/clock.hpp>

namespace evercert {

/// Names that failed lately, so that handshakes for them are refused without asking the CA again. Bounded: beyond
/// `entries_max` the one that ends first is forgotten. A pure value; not synchronized.
class failure_memory {
public:
    explicit failure_memory(std::size_t entries_max) : entries_max_{entries_max} {}

    /// What failed, if it is still remembered.
    std::exception_ptr find(const std::string& key, steady_time now);
    void remember(const std::string& key, std::exception_ptr what, steady_time until);
    void forget(const std::string& key);
    std::size_t size() const noexcept { return by_key_.size(); }

private:
    struct entry {
        std::exception_ptr what;
        std::multimap<steady_time, std::string>::iterator end;
    };

    std::size_t entries_max_;
    std::map<std::string, entry> by_key_;
    std::multimap<steady_time, std::string> by_end_;
};

}  // namespace evercert
