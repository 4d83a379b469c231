#pragma once

#include <chrono>
#include <cstdint>

#include <evercert/clock.hpp>

namespace simulation {

enum class fault_level { none, usual, hostile };

/// What the command line says.
struct options {
    std::uint64_t seed = 1;
    double years = 3;
    int names = 100;
    int lifetime_days = 90;
    fault_level faults = fault_level::usual;
    double restarts_per_year = 6;
    bool tls = false;
    /// Instead of the manager's own: an order in so many minutes, and one more at once. 0 = its own.
    double order_minutes = 0;
    bool until_failure = false;
    double poll_hours = 24;  ///< the CA's Retry-After for renewal information
};

inline evercert::duration renewal_info_wait(const options& how) {
    const std::chrono::duration<double, std::ratio<3600>> hours{how.poll_hours};
    return std::chrono::duration_cast<evercert::duration>(hours);
}

}  // namespace simulation
