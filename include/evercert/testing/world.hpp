#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>

#include <evercert/file_store.hpp>
#include <evercert/http.hpp>
#include <evercert/manager_options.hpp>
#include <evercert/testing/acme_server.hpp>
#include <evercert/testing/simulated_disk.hpp>
#include <evercert/testing/simulated_network.hpp>
#include <evercert/testing/simulated_time.hpp>
#include <evercert/testing/simulated_worker.hpp>

namespace evercert::testing {

struct world_options {
    /// Everything that happens by chance follows from it: one seed, one history.
    std::uint64_t seed = 1;
    /// TLS to the CA as on a real network, which takes most of the time then. Servers speak it to their clients in any case.
    bool tls = false;
    /// What all clocks show at first.
    wall_time begin = simulated_time::begin_default;
};

/// What a client that comes back saw: `world::machine::visit()`.
struct visit_log {
    int made = 0;                ///< visits that have ended
    std::map<int, int> answers;  ///< how many, by their HTTP status
    /// Visits that a certificate ended which no client takes: expired, not valid yet, for another name, or from nobody it trusts.
    int untrusted = 0;
    /// Visits that ended otherwise without an answer: no connection, no certificate at all, a time-out.
    int unanswered = 0;
    /// When and why, of the first `failures_max` that got no answer.
    std::vector<std::string> failures;

    static constexpr std::size_t failures_max = 20;
};

/// Machines on a network, in one process and one thread, in simulated time: a CA, servers with managers, clients. Years pass
/// in seconds.
///
///     evercert::testing::world world;
///     auto& authority = world.add_machine("ca.test");
///     auto& server = world.add_machine("www.example.com");
///     auto& client = world.add_machine("client.test");
///     evercert::testing::acme_server ca{world.executor(), authority.ca_options()};
///     server.run([&] { return my_server(server.manager_options(ca)); });
///     const auto& seen = client.visit("https://www.example.com/", ca, std::chrono::hours{6});
///     world.time().pass(std::chrono::days{365});
///     CHECK(seen.untrusted == 0);
///
/// *The same again*: the same seed and the same calls give the same history, which `hash()` shows. Keys, serial numbers and
/// signatures are as random as ever, and nothing that happens depends on them.
///
/// Thread-bound. *Lifetime*: its programs and visits end with it, so what they refer to must be there until then, or until
/// `machine::stop()`. Other things that run in it, such as an `acme_server`, are destroyed before it: declare them after it.
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

    /// One more machine, with an address (10.0.0.1 and on), a clock and a disk of its own, and `name` resolving to it. It is
    /// there as long as the world. More names lead to it by `simulated_network::name()`.
    machine& add_machine(std::string name);
    /// Several, in this order, to be taken apart: `auto [authority, server] = world.add_machines("ca.test", "www.example.com");`
    template <typename... Names>
    auto add_machines(Names... names) {
        // In braces they are added from the left to the right.
        return std::tuple<std::conditional_t<true, machine&, Names>...>{add_machine(std::move(names))...};
    }

    /// One more number that uses all 64 bits, or share in [0, 1), from the seed.
    std::uint64_t draw();
    double draw_share();

    /// What happened, for `hash()` and whoever traces. Say nothing that comes from real randomness, such as serial numbers.
    /// Machines note their own restarts, and visits that got no answer.
    void note(std::string_view what);
    /// Of all notes and their times so far, in hexadecimal: the same seed gives the same, on any compiler.
    std::string hash() const;
    /// Called for every note from now on, with the true time. It must not note. None: nobody traces.
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

/// One computer of a `world`: `world::add_machine()`.
///
/// `restart()` and `stop()` let time pass until the programs have ended: call them from the test, not from what runs in the
/// simulation.
class world::machine {
public:
    /// What runs on it, as `main()` of a process: called when the process starts, and awaited until it ends or the machine
    /// takes it away, by cancellation. A lambda that calls a coroutine function is right; one that is a coroutine itself must
    /// not capture.
    using program = std::function<asio::awaitable<void>()>;

    machine(world&, std::string name, asio::ip::address);
    ~machine();
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;

    const std::string& name() const noexcept { return name_; }
    const asio::ip::address& address() const noexcept { return address_; }
    const std::shared_ptr<simulated_clock>& clock() const noexcept { return clock_; }
    const std::shared_ptr<evercert::network>& network() const noexcept { return network_; }
    /// With the folder "/var/lib". What was not synced before a power cut is drawn from the seed.
    simulated_disk& disk() noexcept { return disk_; }
    /// Where its managers and stores do what blocks, such as writing to the disk: `blocking().takes()` makes that slow. Stays as
    /// it is over restarts.
    simulated_worker& blocking() noexcept { return blocking_; }
    /// The disk as its processes see it, until the next restart.
    const std::shared_ptr<evercert::disk>& process() const noexcept { return process_; }

    /// For a CA on this machine, which validates where names lead to on the network.
    acme_server_options ca_options() const;
    /// The same for one that validates from another machine, so that each can be cut off without the other.
    acme_server_options ca_options(const machine& validator) const;
    /// For a manager on this machine with a certificate from that CA, listening on the machine's address, whose `cache_file()`
    /// is on the machine's disk as `process()` has it: ask again after a restart, as a program does.
    evercert::manager_options manager_options(const acme_server&) const;
    /// For a `file_store()` on the machine's disk, likewise.
    evercert::file_store_options file_store_options() const;

    /// Start this program, now and after each restart; one that has ended by itself too. What it throws comes out of whatever
    /// lets time pass, but not what it throws because the machine ends it.
    void run(program);
    /// Everything on the machine ends in this moment, as after a power cut or `kill -9`: its programs, its connections, and
    /// what the disk did not keep. Programs start again `off` later; visits go on.
    void restart(simulated_disk::outage = simulated_disk::outage::power, duration off = {});
    /// For so long from now on the machine is cut off from all others, or from this one, as by `simulated_network::cut()`; then
    /// that heals, whoever cut it, too.
    void cut_off(duration length, cut_type = cut_type::silent);
    void cut_off(const machine& from, duration length, cut_type = cut_type::silent);
    /// Programs and visits end for good, by cancellation, as on a machine that shuts down. Both throw `error` with
    /// `errc::timed_out` if a program is still there ten minutes after its cancellation.
    void stop();

    /// Ask for an absolute https URL, on a connection of its own, as a client that trusts the certificates which that CA has
    /// issued, and looks at the machine's clock. The machine must outlive it. Throws `error`: `peer_untrusted` for
    /// a certificate that such a client does not take, `resolve_failed`, `connect_failed`, `tls_failed`, `timed_out`,
    /// `connection_closed`, `http_malformed`, `body_too_large`.
    asio::awaitable<response> send(request, const acme_server& trusted);
    /// GET this URL by `send()`, now and again `interval` after each visit's end, until `stop()`. The log is there as long as
    /// the world.
    const visit_log& visit(std::string url, const acme_server& trusted, duration interval);

private:
    friend world;
    struct parts;
    void cancel();
    void end(const std::function<bool()>& ended);

    world* world_;
    std::string name_;
    asio::ip::address address_;
    std::shared_ptr<simulated_clock> clock_;
    std::shared_ptr<evercert::network> network_;
    simulated_disk disk_;
    simulated_worker blocking_;
    std::shared_ptr<evercert::disk> process_;
    std::unique_ptr<parts> parts_;
};

}  // namespace evercert::testing
