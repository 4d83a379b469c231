// Obtains a certificate for each name at once, each in an order of its own, and says when it has all of them. Then it
// serves until it is told to end, as a server would.

#include <csignal>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <evercert/evercert.hpp>

namespace {

struct settings {
    std::string directory;
    std::string ca_file;
    std::string cache;
    std::uint16_t port = 0;
    std::string log = "off";
    std::vector<std::string> hosts;
};

evercert::manager_options manager_options(const settings& s) {
    evercert::manager_options options;
    options.directory_url = s.directory;
    options.http.ca_file = s.ca_file;
    options.server.addresses = {asio::ip::address_v4::loopback()};
    options.server.http_port = 0;
    options.server.https_port = s.port;
    options.challenges = {evercert::challenge_type::tls_alpn_01};
    options.orders = {};
    options.new_hosts = {};
    options.order_ceiling = {};
    options.log.level = evercert::parse_log_level(s.log).value();
    options.log.sink = evercert::log_to_stderr();
    return options;
}

void run(const settings& s) {
    asio::io_context io;
    evercert::manager manager{io, manager_options(s)};
    const std::vector<evercert::identifier> hosts{s.hosts.begin(), s.hosts.end()};
    manager.set_hosts(hosts);
    manager.cache_file(s.cache);

    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code failed, int) {
        if (!failed)
            manager.stop();
    });
    std::size_t obtained = 0;
    std::exception_ptr failed;
    asio::co_spawn(io, manager.serve(), evercert::rethrow);
    for (const auto& host : hosts)
        asio::co_spawn(io, manager.cert(host), [&](std::exception_ptr thrown, evercert::certificate_ptr) {
            if (thrown && !failed) {
                failed = thrown;
                signals.cancel();
                manager.stop();
            }
            if (!thrown && ++obtained == hosts.size())
                std::cout << "obtained " << obtained << std::endl;
        });
    io.run();
    evercert::rethrow(failed);
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"Obtains a certificate for each name at once."};
    settings s;
    app.add_option("--directory", s.directory, "the ACME directory of the CA")->required();
    app.add_option("--ca-file", s.ca_file, "PEM roots to trust the CA's own HTTPS by")->required();
    app.add_option("--cache", s.cache, "the file that keeps account and certificates")->required();
    app.add_option("--port", s.port, "where tls-alpn-01 is answered, at 127.0.0.1")->required();
    app.add_option("--log", s.log, "how much to tell on standard error: it costs time")
        ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}));
    app.add_option("host", s.hosts, "a name to obtain a certificate for (repeatable)")->required();
    CLI11_PARSE(app, argc, argv);
    run(s);
    return 0;
} catch (const std::exception& e) {
    std::cerr << "many_certificates: " << e.what() << '\n';
    return 1;
}
