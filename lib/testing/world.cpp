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
enum use : std::uint64_t { network_use = 1, draws_use, manager_use };

}  // namespace

world::world(world_options options)
    : options_{options},
      time_{io_, options.begin},
      network_{simulated_network::make(time_, mixed({options.seed, network_use}), !options.tls)},
      draws_{mixed({options.seed, draws_use})},
      hash_{hash_begin} {}

world::~world() = default;

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

world::machine::machine(world& of, std::string name, asio::ip::address address)
    : world_{&of},
      name_{std::move(name)},
      address_{std::move(address)},
      clock_{of.time_.make_clock()},
      network_{of.network_->join({address_}, clock_)} {
    of.network_->name(name_, {address_});
}

acme_server_options world::machine::ca_options() const {
    acme_server_options options;
    options.api = {address_, 443};
    options.validation_address = {};
    options.clock = clock_;
    options.network = network_;
    return options;
}

evercert::manager_options world::machine::manager_options(const acme_server& ca) const {
    evercert::manager_options options;
    options.directory_url = ca.directory_url();
    options.http.ca_file = ca.api_root_file();
    options.challenges = {challenge_type::http_01, challenge_type::tls_alpn_01};
    options.server.addresses = {address_};
    options.clock = clock_;
    options.network = network_;
    options.blocking_executor = world_->io_.get_executor();
    options.seed = mixed({world_->options_.seed, manager_use, address_.to_v4().to_uint()});
    return options;
}

}  // namespace evercert::testing
