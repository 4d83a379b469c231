#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include <evercert/clock.hpp>
#include <evercert/network.hpp>

namespace evercert {

/// Connections that wait for their next request. Expired ones are dropped at the next use of the pool: no timer
/// runs for them.
class connection_pool {
public:
    connection_pool(std::size_t size_max, duration idle_timeout, std::shared_ptr<clock>);

    /// The connection to `origin` that was used last and is still open; null if there is none.
    std::unique_ptr<stream> take(const std::string& origin);
    /// Keep it. The one that has been idle longest goes if there are too many.
    void put(std::string origin, std::unique_ptr<stream>);

    std::size_t size() const noexcept { return idle_.size(); }

private:
    struct idle {
        std::string origin;
        std::unique_ptr<stream> connection;
        steady_time since;
    };

    void drop_expired();

    std::list<idle> idle_;  // longest idle first
    std::size_t size_max_;
    duration idle_timeout_;
    std::shared_ptr<clock> clock_;
};

}  // namespace evercert
