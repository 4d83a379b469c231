// Several servers and one manager: a leader obtains and renews the certificates, and followers ask it for those that they
// do not have. This is what a group of machines does whose load balancer sends a name's clients, and with them a CA's
// validations, to any of them.
//
//     certificate_rpc leader   --socket /run/evercert/leader --host example.com --cache /var/lib/evercert/cache
//     certificate_rpc follower --socket /run/evercert/leader
//     certificate_rpc follower --socket /run/evercert/leader --https-port 8443 --http-port 8080
//
// The follower is an evercert::certificate_source, the interface that a TLS server asks for certificates; a manager is
// another. Who leads is decided elsewhere (a lock, an orchestrator): a leader that is replaced needs its cache, and its
// followers serve what they have until the next one answers. Between machines, put the messages into TLS with
// certificates on both sides instead of a Unix socket: private keys go over it.
//
// Where all machines reach a store with locks (see evercert/store.hpp), each can have a manager of its own, and there is
// no leader to run.

#include <csignal>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <evercert/evercert.hpp>

#include "follower.hpp"
#include "leader.hpp"

namespace {

struct settings {
    std::string socket;
    std::vector<std::string> hosts;
    std::string directory{evercert::acme::lets_encrypt};
    std::string ca_file;
    std::string cache;
    std::string email;
    bool rsa = false;
    follower_settings serving;
};

void declare_leader(CLI::App& app, settings& s) {
    app.add_option("--socket", s.socket, "where to answer followers: a Unix socket, open to this user alone")
        ->required();
    app.add_option("--host", s.hosts, "a name to obtain certificates for (repeatable)")->required();
    app.add_option("--cache", s.cache, "the file that keeps account and certificates; none = in memory");
    app.add_option("--email", s.email, "the contact of the account at the CA");
    app.add_flag("--rsa", s.rsa, "for clients that cannot use P-256, a certificate with an RSA key beside it");
    app.add_option("--directory", s.directory, "the ACME directory of the CA")->capture_default_str();
    app.add_option("--ca-file", s.ca_file, "PEM roots to trust the CA's own HTTPS by, instead of the system's");
}

void declare_follower(CLI::App& app, settings& s) {
    app.add_option("--socket", s.socket, "where the leader answers")->required();
    app.add_option("--bind", s.serving.address, "the address to listen on")->capture_default_str();
    app.add_option("--http-port", s.serving.http_port, "redirects, and passes http-01 on to the leader")
        ->capture_default_str();
    app.add_option("--https-port", s.serving.https_port, "serves, and passes tls-alpn-01 on to the leader")
        ->capture_default_str();
}

evercert::manager_options manager_options(const settings& s) {
    evercert::manager_options options;
    options.email = s.email;
    options.directory_url = s.directory;
    if (s.rsa)
        options.key_types.push_back(evercert::key_type::rsa_2048);
    options.http.ca_file = s.ca_file;
    // A bit less than a follower's patience, so that it hears why.
    options.handshake_wait = remote_source::leader_patience - std::chrono::seconds{2};
    options.log.sink = evercert::log_to_stderr();
    return options;
}

void lead(const settings& s) {
    asio::io_context io;
    evercert::manager manager{io, manager_options(s)};
    manager.set_hosts({s.hosts.begin(), s.hosts.end()});
    if (!s.cache.empty())
        manager.cache_file(s.cache);
    leader leading{io, manager, s.socket};

    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code failed, int) {
        if (!failed) {
            leading.stop();
            manager.stop();
        }
    });
    // It listens nowhere: the clients are the followers'. run() renews, and saves.
    asio::co_spawn(io, manager.run(), evercert::rethrow);
    asio::co_spawn(io, leading.serve(), evercert::rethrow);
    std::cerr << "certificate_rpc: leading at " << s.socket << std::endl;
    io.run();
}

void follow(const settings& s) {
    asio::io_context io;
    remote_source source{io.get_executor(), s.socket};
    follower following{io, source, s.serving};
    asio::signal_set signals{io, SIGINT, SIGTERM};
    // There is nothing to save: the connections end with the program.
    signals.async_wait([&](std::error_code, int) { io.stop(); });
    asio::co_spawn(io, following.serve_https(), evercert::rethrow);
    asio::co_spawn(io, following.serve_http(), evercert::rethrow);
    io.run();
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"Servers that get their certificates from one leader, which gets them from a CA."};
    settings s;
    auto* const as_leader = app.add_subcommand("leader", "obtain certificates, and give them to followers");
    auto* const as_follower = app.add_subcommand("follower", "serve HTTPS with the leader's certificates");
    app.require_subcommand(1);
    declare_leader(*as_leader, s);
    declare_follower(*as_follower, s);
    CLI11_PARSE(app, argc, argv);
    if (as_leader->parsed())
        lead(s);
    else
        follow(s);
    return 0;
} catch (const std::exception& e) {
    std::cerr << "certificate_rpc: " << e.what() << '\n';
    return 1;
}
