#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>

#include <evercert/manager_options.hpp>
#include <evercert/testing/acme_server.hpp>
#include <evercert/testing/simulated_network.hpp>
#include <evercert/testing/simulated_time.hpp>

namespace evercert::testing {

struct world_options {
    /// Everything that happens by chance follows from it: one seed, one history.
    std::uint64_t seed = 1;
    /// TLS to the CA as on a real network, which takes most of the time then. Servers speak it in any case.
    bool tls = false;
    wall_time begin = simulated_time::begin_default;
};

/// Machines on a network, in one process and one thread, in simulated time: a CA, servers with managers, clients. Years pass
/// in seconds.
///
///     evercert::testing::world world;
///     auto& authority = world.add_machine("ca.test");
///     auto& server = world.add_machine("www.example.com");
///     evercert::testing::acme_server ca{world.executor(), authority.ca_options()};
///     evercert::manager manager{world.executor(), server.manager_options(ca)};
///     world.time().pass(std::chrono::days{365});
///
/// Thread-bound. Destroy what runs in it first, then the world.
class world {
public:
    class machine;

    explicit world(world_options = {});
    ~world();
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    asio::io_context& io() noexcept { return io_; }
    asio::any_io_executor executor() noexcept { return io_.get_executor(); }
    simulated_time& time() noexcept { return time_; }
    simulated_network& network() noexcept { return *network_; }
    const world_options& options() const noexcept { return options_; }

    /// One more machine, with an address and a clock of its own, and `name` resolving to it.
    machine& add_machine(std::string name);

    /// One more number, or share in [0, 1), from the seed.
    std::uint64_t draw();
    double draw_share();

    /// What happened, for `hash()` and whoever traces. Say nothing that comes from real randomness, such as serial numbers.
    void note(std::string_view what);
    /// Of all notes and their times so far, in hexadecimal: the same seed gives the same, on any compiler.
    std::string hash() const;
    /// Called for every note, with the true time.
    void trace(std::function<void(wall_time, std::string_view)>);

private:
    const world_options options_;
    asio::io_context io_;
    simulated_time time_;
    std::shared_ptr<simulated_network> network_;
    std::list<machine> machines_;
    std::uint64_t draws_;
    std::uint64_t hash_;
    std::function<void(wall_time, std::string_view)> trace_;
};

/// One computer of a `world`.
class world::machine {
public:
    machine(world&, std::string name, asio::ip::address);

    const std::string& name() const noexcept { return name_; }
    const asio::ip::address& address() const noexcept { return address_; }
    const std::shared_ptr<simulated_clock>& clock() const noexcept { return clock_; }
    const std::shared_ptr<evercert::network>& network() const noexcept { return network_; }

    /// For a CA on this machine, which validates where names lead to on the network.
    acme_server_options ca_options() const;
    /// For a manager on this machine with a certificate from that CA, listening on the machine's address.
    evercert::manager_options manager_options(const acme_server&) const;

private:
    world* world_;
    std::string name_;
    asio::ip::address address_;
    std::shared_ptr<simulated_clock> clock_;
    std::shared_ptr<evercert::network> network_;
};

}  // namespace evercert::testing
