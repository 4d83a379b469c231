#include "replacement_promise.hpp"

#include <utility>

namespace simulation {

void replacement_promise::promise(std::set<std::string> waiting, wall_time done_at) {
    waiting_ = std::move(waiting);
    done_at_ = done_at;
    // Who waits within the limiters already is not among those.
    others_ = 1;
}

replacement_promise::wall_time replacement_promise::latest() const { return done_at_ + others_ * turn_ + an_order; }

std::optional<replacement_promise::duration> replacement_promise::ordered(const std::string& name, wall_time now) {
    if (!is_open())
        return {};
    if (waiting_.erase(name) == 0)
        ++others_;
    if (is_open())
        return {};
    ++checked_;
    std::optional<duration> late;
    if (now > latest())
        late = now - done_at_;
    return late;
}

std::optional<replacement_promise::duration> replacement_promise::overdue(wall_time now) {
    if (!is_open() || now <= latest())
        return {};
    ++checked_;
    end();
    return now - done_at_;
}

}  // namespace simulation
