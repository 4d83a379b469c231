#pragma once

#include <string>
#include <utility>

#include "manager/state.hpp"

namespace evercert {

/// What those who look from outside see of a certificate that is on its way, for as long as it is.
class flight_mark {
public:
    flight_mark(state& all, std::string key, steady_time now) : all_{all}, key_{std::move(key)} {
        all_.set_flight(key_, {now});
    }
    ~flight_mark() { all_.forget_flight(key_); }
    flight_mark(const flight_mark&) = delete;

private:
    state& all_;
    std::string key_;
};

/// The same of one that our limits hold up, for as long as they do. Within its `flight_mark`.
class held_up_mark {
public:
    held_up_mark(state& all, std::string key, steady_time until) : all_{all}, key_{std::move(key)} { set(until); }
    ~held_up_mark() { set({}); }
    held_up_mark(const held_up_mark&) = delete;

private:
    void set(std::optional<steady_time> until) {
        if (auto flight = all_.flight(key_)) {
            flight->held_up_until = until;
            all_.set_flight(key_, *flight);
        }
    }

    state& all_;
    std::string key_;
};

}  // namespace evercert
