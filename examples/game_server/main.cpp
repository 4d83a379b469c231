// A game server: players speak a protocol of its own over TLS, and a world ticks beside it. Certificates come from a
// manager, whose tls-alpn-01 validations arrive at the same port and are answered by the acceptor.
//
//     game_server --host play.example.com --store /var/lib/game --threads 4
//
// messages.hpp has the protocol, world.hpp the rules, player.hpp a connection, game.hpp how they meet.

#include <csignal>
#include <exception>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/signal_set.hpp>

#include <evercert/file_store.hpp>
#include <evercert/manager.hpp>
#include <evercert/rethrow.hpp>
#include <evercert/tls_acceptor.hpp>

#include "game.hpp"

namespace {

struct settings {
    std::vector<std::string> hosts;
    std::string directory{evercert::acme::lets_encrypt};
    std::string ca_file;
    std::string store;
    std::string email;
    std::string bind = "::";
    std::uint16_t port = 443;
    unsigned threads = 2;
    std::size_t per_address = 100;
    game::game_options rules;
};

void declare(CLI::App& app, settings& s) {
    app.add_option("--host", s.hosts, "a name to obtain a certificate for (repeatable)")->required();
    app.add_option("--directory", s.directory, "the ACME directory of the CA")->capture_default_str();
    app.add_option("--ca-file", s.ca_file, "PEM roots to trust the CA's own HTTPS by, instead of the system's");
    app.add_option("--store", s.store, "the folder that keeps account and certificates; none = in memory");
    app.add_option("--email", s.email, "the contact of the account at the CA");
    app.add_option("--bind", s.bind, "the address to listen on; :: is all, of IPv4 too")->capture_default_str();
    app.add_option("--port", s.port, "for players; CAs validate on 443")->capture_default_str();
    app.add_option("--threads", s.threads, "that serve players")->check(CLI::Range(1u, 256u))->capture_default_str();
    app.add_option("--players", s.rules.players_max, "at once; whoever comes then is told that the game is full")
        ->check(CLI::Range(1u, 1'000'000u))
        ->capture_default_str();
    app.add_option("--per-address", s.per_address, "connections of one client address; 0 = no limit")
        ->capture_default_str();
    app.add_option("--ticks", s.rules.ticks_per_second, "a second")->check(CLI::Range(1u, 100u))->capture_default_str();
    app.add_option("--cells", s.rules.world.cells_a_side, "a side of the world, each 100 by 100; 9 of them are seen")
        ->check(CLI::Range(1u, 300u))
        ->capture_default_str();
}

evercert::manager_options manager_options(const settings& s) {
    evercert::manager_options options;
    options.email = s.email;
    options.directory_url = s.directory;
    options.http.ca_file = s.ca_file;
    options.challenges = {evercert::challenge_type::tls_alpn_01};  // nobody listens on port 80 here
    if (!s.store.empty())
        options.store = evercert::file_store(s.store);
    options.log.sink = evercert::log_to_stderr();
    return options;
}

evercert::tls_acceptor_options acceptor_options(const settings& s) {
    evercert::tls_acceptor_options options;
    // Room for those who are told that the game is full, and for handshakes.
    options.connections.connections_max = s.rules.players_max + s.rules.players_max / 4 + 100;
    options.connections.connections_per_address_max = s.per_address;
    options.handshakes.per_address_max = s.per_address;
    options.log.sink = evercert::log_to_stderr();
    return options;
}

// A socket of our own, since its connections inherit its options: what the kernel keeps for a slow player is late when it
// arrives, and no tick can be dropped from there.
int listening_socket(const settings& s) {
    constexpr int kept_by_kernel = 32 << 10;
    std::error_code failed;
    const auto address = asio::ip::make_address(s.bind, failed);
    if (failed)
        throw std::runtime_error{"--bind " + s.bind + " is not an IP address"};
    asio::io_context unused;
    asio::ip::tcp::acceptor listening{unused};
    const asio::ip::tcp::endpoint at{address, s.port};
    try {
        listening.open(at.protocol());
        listening.set_option(asio::socket_base::reuse_address{true});
        listening.set_option(asio::socket_base::send_buffer_size{kept_by_kernel});
        if (address.is_v6())
            listening.set_option(asio::ip::v6_only{false});
        listening.bind(at);
        listening.listen();
        return listening.release();
    } catch (const std::system_error& e) {
        const evercert::endpoint wanted{address, s.port};
        throw std::runtime_error{"cannot listen on " + evercert::to_string(wanted) + ": " + e.what()};
    }
}

// Before the first player asks. A failure is no end: the next handshake for the name tries again.
asio::awaitable<void> obtain(evercert::manager& manager, evercert::identifier host) {
    try {
        co_await manager.cert(host);
    } catch (const evercert::error& e) {
        if (e.code() != evercert::errc::stopped)
            std::cerr << "game_server: no certificate for " << host.value() << " yet: " << e.what() << '\n';
    }
}

asio::awaitable<void> accept_players(evercert::tls_acceptor& acceptor, game::server& game) {
    try {
        for (;;) {
            auto connection = co_await acceptor.accept();
            const auto strand = connection.get_executor();
            asio::co_spawn(strand, game.play(std::move(connection)), evercert::rethrow);
        }
    } catch (const evercert::error& e) {
        if (e.code() != evercert::errc::stopped)
            throw;
    }
    co_await acceptor.close();
}

// The first exception of any thread ends them all and is thrown here.
void run_on_threads(asio::io_context& io, unsigned count) {
    std::mutex mutex;
    std::exception_ptr failed;
    const auto work = [&] {
        try {
            io.run();
        } catch (...) {
            const std::lock_guard lock{mutex};
            if (!failed)
                failed = std::current_exception();
            io.stop();
        }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < count; ++i)
        threads.emplace_back(work);
    work();
    for (auto& each : threads)
        each.join();
    if (failed)
        std::rethrow_exception(failed);
}

int run(const settings& s) {
    asio::io_context io{static_cast<int>(s.threads)};
    evercert::manager manager{io, manager_options(s)};
    const std::vector<evercert::identifier> hosts{s.hosts.begin(), s.hosts.end()};
    manager.set_hosts(hosts);
    evercert::tls_acceptor acceptor{io, manager, acceptor_options(s)};
    acceptor.listen(listening_socket(s));
    game::server game{io, s.rules};

    // Everything ends by itself then, and run() returns: players have had their goodbye and a second to read it.
    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code failed, int) {
        if (failed)
            return;
        acceptor.stop();
        game.stop();
        manager.stop();
    });
    asio::co_spawn(io, manager.run(), evercert::rethrow);  // renewals
    asio::co_spawn(io, accept_players(acceptor, game), evercert::rethrow);
    asio::co_spawn(io, game.run(), evercert::rethrow);
    for (const auto& host : hosts)
        asio::co_spawn(io, obtain(manager, host), evercert::rethrow);
    run_on_threads(io, s.threads);
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"A game server over TLS that gets its own certificates."};
    settings s;
    declare(app, s);
    CLI11_PARSE(app, argc, argv);
    return run(s);
} catch (const std::exception& e) {
    std::cerr << "game_server: " << e.what() << '\n';
    return 1;
}
