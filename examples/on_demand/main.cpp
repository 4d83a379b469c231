// A platform whose customers bring domains of their own: a domain has its certificate from its first visitor on, if it is in
// the table, and nothing is asked of the CA for any other.
//
//     on_demand --platform app.example.com --customers customers --domains domains --sites /srv/sites --store /var/lib/platform
//
//     curl -X PUT -H "Authorization: Bearer TOKEN" https://app.example.com/domains/shop.example.net
//
// domain_table.hpp has the table, platform.hpp what is decided and answered by it.

#include <csignal>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <evercert/evercert.hpp>

#include "platform.hpp"

namespace {

struct settings {
    std::string platform;
    std::string customers;
    std::string sites;
    on_demand::domain_table_options domains;
    std::string directory{evercert::acme::lets_encrypt};
    std::string ca_file;
    std::string store;
    std::string email;
    std::string bind = "::";
    std::uint16_t http_port = 80;
    std::uint16_t https_port = 443;
};

void declare(CLI::App& app, settings& s) {
    app.add_option("--platform", s.platform, "the host where customers say which domains are theirs")->required();
    app.add_option("--customers", s.customers, "the file of customers: NAME TOKEN on each line")->required();
    app.add_option("--sites", s.sites, "the folder with a folder of each customer's files")->required();
    app.add_option("--domains", s.domains.file, "the file that keeps the table of domains")->required();
    app.add_option("--domains-per-customer", s.domains.domains_per_customer_max)->capture_default_str();
    app.add_option("--directory", s.directory, "the ACME directory of the CA")->capture_default_str();
    app.add_option("--ca-file", s.ca_file, "PEM roots to trust the CA's own HTTPS by, instead of the system's");
    app.add_option("--store", s.store, "the folder that keeps account and certificates; none = in memory");
    app.add_option("--email", s.email, "the contact of the account at the CA");
    app.add_option("--bind", s.bind, "the address to listen on; :: is all, of IPv4 too")->capture_default_str();
    app.add_option("--http-port", s.http_port, "redirects, answers http-01 and /health")->capture_default_str();
    app.add_option("--https-port", s.https_port, "serves the sites")->capture_default_str();
}

evercert::manager_options manager_options(const settings& s, on_demand::platform& platform) {
    evercert::manager_options options;
    options.email = s.email;
    options.directory_url = s.directory;
    options.http.ca_file = s.ca_file;
    options.server.http_port = s.http_port;
    options.server.https_port = s.https_port;
    std::error_code failed;
    options.server.addresses = {asio::ip::make_address(s.bind, failed)};
    if (failed)
        throw std::runtime_error{"--bind " + s.bind + " is not an IP address"};
    if (!s.store.empty())
        options.store = evercert::file_store(s.store);
    options.log.sink = evercert::log_to_stderr();
    options.admission = [&platform](evercert::identifier domain) { return platform.admits(std::move(domain)); };
    // The default, 8 a day, is for servers that strangers point names at. Here they are customers', and their number is limited.
    options.new_hosts = {std::chrono::minutes{1}, 50};
    return options;
}

asio::awaitable<evercert::response> health(evercert::request) { co_return evercert::response{"well\n"}; }

int run(const settings& s) {
    asio::io_context io{1};
    on_demand::platform platform{on_demand::read_customers(s.customers, s.sites), s.domains, s.platform};
    evercert::manager manager{io, manager_options(s, platform)};
    manager.set_hosts({s.platform});
    platform.handle_with(manager);
    // For the load balancer in front, which speaks no TLS to us.
    manager.handle_http("GET /health", health);

    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code failed, int) {
        if (!failed)
            manager.stop();
    });
    asio::co_spawn(io, manager.serve(), [&](std::exception_ptr thrown) {
        signals.cancel();
        evercert::rethrow(thrown);
    });
    io.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"A platform for its customers' own domains."};
    settings s;
    declare(app, s);
    CLI11_PARSE(app, argc, argv);
    return run(s);
} catch (const std::exception& e) {
    std::cerr << "on_demand: " << e.what() << '\n';
    return 1;
}
