#include <fmt/format.h>

#include <evercert/testing/world.hpp>

#include "base/seeded.hpp"

namespace evercert::testing {

namespace {

// FNV-1a, which is the same everywhere and costs nothing.
constexpr std::uint64_t hash_begin = 0xcbf29ce484222325, hash_prime = 0x100000001b3;

std::uint64_t hashed(std::uint64_t state, std::string_view text) {
    for (const unsigned char each : text)
        state = (state ^ each) * hash_prime;
    return state;
}

// What a seed is used for, so that one use does not move another's draws.
enum use : std::uint64_t { network_use = 1, draws_use };

}  // namespace

world::world(world_options options)
    : options_{options},
      time_{io_, options.begin},
      network_{simulated_network::make(time_, mixed({options.seed, network_use}), !options.tls)},
      draws_{mixed({options.seed, draws_use})},
      hash_{hash_begin} {}

world::~world() {
    // All of them before time passes: visits refer to what may be gone.
    for (auto& each : machines_)
        each.cancel();
    for (auto& each : machines_) {
        try {
            each.stop();
        } catch (...) {
            // Nobody is left to hear of it; the io_context destroys what did not end.
        }
    }
}

world::machine& world::add_machine(std::string name) {
    // 10.0.0.1 and on: a world has some machines, not thousands.
    const auto number = static_cast<std::uint32_t>(machines_.size()) + 1;
    return machines_.emplace_back(*this, std::move(name), asio::ip::address_v4{(10U << 24) + number});
}

std::uint64_t world::draw() { return draws_ = mixed({draws_}); }

double world::draw_share() { return static_cast<double>(draw() >> 11) * 0x1p-53; }

void world::note(std::string_view what) {
    hash_ = hashed(hashed(hash_, fmt::format("{} ", time_.elapsed().count())), what);
    if (trace_)
        trace_(time_.now(), what);
}

std::string world::hash() const { return fmt::format("{:016x}", hash_); }

void world::trace(std::function<void(wall_time, std::string_view)> to) { trace_ = std::move(to); }

}  // namespace evercert::testing
