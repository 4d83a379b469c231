#pragma once

#include <chrono>
#include <cstdint>

#include <evercert/clock.hpp>

namespace simulation {

enum class fault_level { none, usual, hostile };

/// What sort of site a seed has.
struct site_sort {
    bool one_domain = false;  ///< its names share a registered domain, as the customers of a platform do
    /// An application decides on names that are not listed, and admits some of those that come.
    bool admits = false;
    /// Somebody deletes a certificate now and then, to have it tried again, and again.
    bool deletes = false;
};

/// Each sort comes alone and with others, in eight seeds in a row; without faults there is none.
constexpr site_sort sort_of(std::uint64_t seed, fault_level faults) noexcept {
    site_sort sort;
    if (faults != fault_level::none) {
        sort.one_domain = seed % 4 == 3;
        sort.admits = seed % 8 == 2 || seed % 8 == 3 || seed % 8 == 5;
        sort.deletes = seed % 8 == 4 || seed % 8 == 5 || seed % 8 == 7;
    }
    return sort;
}

/// What the command line says, and what its seed has.
struct options {
    std::uint64_t seed = 1;
    double years = 3;
    int names = 100;
    int lifetime_days = 90;
    fault_level faults = fault_level::usual;
    site_sort sort = {};
    double restarts_per_year = 6;
    bool tls = false;
    /// Instead of the manager's own: an order in so many minutes, and one more at once. 0 = its own.
    double order_minutes = 0;
    bool until_failure = false;
    double poll_hours = 24;  ///< the CA's Retry-After for renewal information
};

/// Names that an application admits, whose certificates are renewed like others: a few, if they are renewed often.
constexpr int guests_of(const options& how) noexcept {
    constexpr int many = 24, few = 8, long_enough = 30;
    if (!how.sort.admits)
        return 0;
    return how.lifetime_days >= long_enough ? many : few;
}

inline evercert::duration renewal_info_wait(const options& how) {
    const std::chrono::duration<double, std::ratio<3600>> hours{how.poll_hours};
    return std::chrono::duration_cast<evercert::duration>(hours);
}

}  // namespace simulation
