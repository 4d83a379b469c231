// An MQTT broker for devices that have certificates, and gets its own from a CA: mutual TLS on port 8883.
//
//     iot_broker --host mqtt.example.com --store /var/lib/broker --client-ca devices.pem --operator backend
//
// A small and honest subset of MQTT 3.1.1. What is in it works as the standard says: CONNECT with keep alive, last will
// and take-over, PUBLISH at QoS 0 and 1, retained messages, SUBSCRIBE with wildcards, UNSUBSCRIBE, PINGREQ, DISCONNECT.
// What is not is refused:
//  - QoS 2: whoever publishes with it is disconnected, and who subscribes with it is granted 1;
//  - sessions that outlive their connection: without the clean session flag CONNECT is answered with code 3;
//  - other versions than 3.1.1: code 1.
// A user name and a password are read and ignored: the certificate says who it is. A device may publish below
// devices/<its common name>/ alone; see may_publish.
//
// mqtt.hpp has the bytes, broker.hpp who is connected and what is retained, session.hpp a connection. All of it on one
// thread; game_server shows how to use several.

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

#include <evercert/file_store.hpp>
#include <evercert/manager.hpp>
#include <evercert/rethrow.hpp>
#include <evercert/tls_acceptor.hpp>

#include "broker.hpp"
#include "session.hpp"

namespace {

struct settings {
    std::vector<std::string> hosts;
    std::string directory{evercert::acme::lets_encrypt};
    std::string ca_file;
    std::string store;
    std::string email;
    std::string bind = "::";
    std::uint16_t port = 8883;
    std::uint16_t validation_port = 443;
    std::string client_ca;
    std::size_t clients_max = 10'000;
    iot::broker_options broker;
};

void declare(CLI::App& app, settings& s) {
    app.add_option("--host", s.hosts, "a name to obtain a certificate for (repeatable)")->required();
    app.add_option("--client-ca", s.client_ca, "PEM with the CA that issues the certificates of devices")->required();
    app.add_option(
        "--operator", s.broker.operators, "the common name of a client that may publish everywhere (repeatable)");
    app.add_option("--directory", s.directory, "the ACME directory of the CA")->capture_default_str();
    app.add_option("--ca-file", s.ca_file, "PEM roots to trust the CA's own HTTPS by, instead of the system's");
    app.add_option("--store", s.store, "the folder that keeps account and certificates; none = in memory");
    app.add_option("--email", s.email, "the contact of the account at the CA");
    app.add_option("--bind", s.bind, "the address to listen on; :: is all, of IPv4 too")->capture_default_str();
    app.add_option("--port", s.port, "for devices")->capture_default_str();
    app.add_option("--validation-port", s.validation_port, "where the CA validates; devices are served there, too")
        ->capture_default_str();
    app.add_option("--clients", s.clients_max, "connections at once")
        ->check(CLI::Range(1u, 1'000'000u))
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
    options.tls.client_certificates = evercert::client_authentication::required;
    options.tls.client_ca_file = s.client_ca;
    options.connections.connections_max = s.clients_max;
    options.log.sink = evercert::log_to_stderr();
    return options;
}

asio::ip::address address_to_bind(const settings& s) {
    std::error_code failed;
    const auto address = asio::ip::make_address(s.bind, failed);
    if (failed)
        throw std::runtime_error{"--bind " + s.bind + " is not an IP address"};
    return address;
}

// Before the first device asks. A failure is no end: the next handshake for the name tries again.
asio::awaitable<void> obtain(evercert::manager& manager, evercert::identifier host) {
    try {
        co_await manager.cert(host);
    } catch (const evercert::error& e) {
        if (e.code() != evercert::errc::stopped)
            std::cerr << "iot_broker: no certificate for " << host.value() << " yet: " << e.what() << '\n';
    }
}

asio::awaitable<void> accept_clients(evercert::tls_acceptor& acceptor, iot::broker& broker) {
    try {
        for (;;) {
            auto connection = co_await acceptor.accept();
            const auto strand = connection.get_executor();
            const auto client = std::make_shared<iot::session>(broker, std::move(connection));
            asio::co_spawn(strand, iot::session::run(client), evercert::rethrow);
        }
    } catch (const evercert::error& e) {
        if (e.code() != evercert::errc::stopped)
            throw;
    }
    co_await acceptor.close();
}

int run(const settings& s) {
    asio::io_context io{1};
    evercert::manager manager{io, manager_options(s)};
    const std::vector<evercert::identifier> hosts{s.hosts.begin(), s.hosts.end()};
    manager.set_hosts(hosts);
    evercert::tls_acceptor acceptor{io, manager, acceptor_options(s)};
    acceptor.listen({address_to_bind(s), s.port});
    acceptor.listen({address_to_bind(s), s.validation_port});
    iot::broker broker{s.broker};

    // Everything ends by itself then, and run() returns.
    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code failed, int) {
        if (failed)
            return;
        acceptor.stop();
        broker.stop();
        manager.stop();
    });
    asio::co_spawn(io, manager.run(), evercert::rethrow);  // renewals
    asio::co_spawn(io, accept_clients(acceptor, broker), evercert::rethrow);
    for (const auto& host : hosts)
        asio::co_spawn(io, obtain(manager, host), evercert::rethrow);
    io.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"A small MQTT broker over mutual TLS that gets its own certificate."};
    settings s;
    declare(app, s);
    CLI11_PARSE(app, argc, argv);
    return run(s);
} catch (const std::exception& e) {
    std::cerr << "iot_broker: " << e.what() << '\n';
    return 1;
}
