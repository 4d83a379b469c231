// An HTTPS server that gets its own certificates.
//
//     https_server --host example.com --cache evercert.cache --email ops@example.com
//     https_server --host example.com --store /var/lib/evercert --root /srv/www --threads 4 --access-log

#include <csignal>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <syncstream>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <evercert/evercert.hpp>

namespace {

struct settings {
    std::vector<std::string> hosts;
    std::string directory{evercert::acme::lets_encrypt};
    std::string ca_file;
    std::vector<std::string> bind;
    std::uint16_t http_port = 80;
    std::uint16_t https_port = 443;
    std::string cache;
    std::string store;
    bool events = false;
    std::string email;
    std::vector<std::string> challenges;
    std::string root;
    unsigned threads = 1;
    bool access_log = false;
    std::string log = "info";
};

void declare(CLI::App& app, settings& s) {
    app.add_option(
        "--host", s.hosts, "a name to obtain a certificate for (repeatable); none = any name that is asked for");
    app.add_option("--directory", s.directory, "the ACME directory of the CA")->capture_default_str();
    app.add_option("--ca-file", s.ca_file, "PEM roots to trust the CA's own HTTPS by, instead of the system's");
    app.add_option("--bind", s.bind, "an address to listen on (repeatable); none = all");
    app.add_option("--http-port", s.http_port, "redirects, and answers http-01; 0 = any free port")
        ->capture_default_str();
    app.add_option("--https-port", s.https_port, "0 = any free port")->capture_default_str();
    auto* cache = app.add_option("--cache", s.cache, "the file that keeps account and certificates; none = in memory");
    app.add_option("--store", s.store, "the folder that keeps them, for many certificates or several processes")
        ->excludes(cache);
    app.add_flag("--events", s.events, "write every event to standard output, a line of JSON each");
    app.add_option("--email", s.email, "the contact of the account at the CA");
    app.add_option("--challenge", s.challenges, "tls-alpn-01 or http-01 (repeatable, the preferred first)")
        ->check(CLI::IsMember({"tls-alpn-01", "http-01"}));
    app.add_option("--root", s.root, "serve the files of this folder");
    app.add_option("--threads", s.threads, "how many threads serve")->check(CLI::Range(1, 256))->capture_default_str();
    app.add_flag("--access-log", s.access_log, "write a line for each request to standard output");
    app.add_option("--log", s.log, "how much to tell on standard error")
        ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}))
        ->capture_default_str();
}

evercert::manager_options manager_options(const settings& s) {
    evercert::manager_options options;
    options.email = s.email;
    options.directory_url = s.directory;
    options.http.ca_file = s.ca_file;
    options.server.http_port = s.http_port;
    options.server.https_port = s.https_port;
    if (!s.bind.empty()) {
        options.server.addresses.clear();
        for (const auto& address : s.bind) {
            std::error_code failed;
            options.server.addresses.push_back(asio::ip::make_address(address, failed));
            if (failed)
                throw std::runtime_error{"--bind " + address + " is not an IP address"};
        }
    }
    if (!s.challenges.empty())
        options.challenges.clear();
    for (const auto& name : s.challenges)
        options.challenges.push_back(
            name == "http-01" ? evercert::challenge_type::http_01 : evercert::challenge_type::tls_alpn_01);
    if (s.access_log)
        // Several threads serve: a line stays a line.
        options.server.access_log = [](const evercert::access_record& record) {
            std::osyncstream{std::cout} << evercert::to_combined_log(record) << std::endl;
        };
    if (!s.store.empty())
        options.store = evercert::file_store(s.store);
    options.log.level = evercert::parse_log_level(s.log).value();
    options.log.sink = evercert::log_to_stderr();
    return options;
}

asio::awaitable<evercert::response> home(evercert::request asked) {
    co_return evercert::response{"Hello from " + asked.server_name + ", over TLS.\n"};
}

// Certificates of the listed hosts are obtained before anybody asks. A failure is no end: the next
// handshake for the name tries again.
asio::awaitable<void> obtain(evercert::manager& manager, evercert::identifier host) {
    try {
        co_await manager.cert(host);
    } catch (const evercert::error& e) {
        if (e.code() != evercert::errc::stopped)
            std::cerr << "https_server: no certificate for " << host.value() << " yet: " << e.what() << '\n';
    }
}

// What happens, for a log collector. A stream of its own for each listener; nobody waits for a slow one.
asio::awaitable<void> tell(evercert::event_stream events) {
    try {
        for (;;) {
            const auto event = co_await events.next();
            std::osyncstream{std::cout} << evercert::to_json(event) << std::endl;
        }
    } catch (const evercert::error& e) {
        if (e.code() != evercert::errc::stopped)
            throw;
    }
}

// What one thread throws ends all of them, and comes out here.
void run_on(asio::io_context& io, unsigned threads) {
    const auto work = [&io](std::exception_ptr& into) {
        try {
            io.run();
        } catch (...) {
            into = std::current_exception();
            io.stop();
        }
    };
    std::vector<std::exception_ptr> results(threads);
    {
        std::vector<std::jthread> others;
        for (unsigned i = 1; i < threads; ++i)
            others.emplace_back([&, i] { work(results[i]); });
        work(results[0]);
    }
    for (const auto& each : results)
        if (each)
            std::rethrow_exception(each);
}

int run(const settings& s) {
    asio::io_context io{static_cast<int>(s.threads)};  // told of one thread, asio wakes no other for what is posted
    evercert::manager manager{io, manager_options(s)};
    std::vector<evercert::identifier> hosts{s.hosts.begin(), s.hosts.end()};
    if (!hosts.empty())
        manager.set_hosts(hosts);
    if (!s.cache.empty())
        manager.cache_file(s.cache);
    if (s.root.empty())
        manager.handle("GET /{$}", home);
    else
        manager.handle("/", evercert::static_files(s.root));
    if (s.events)
        asio::co_spawn(io, tell(manager.events()), evercert::rethrow);

    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code failed, int) {
        if (!failed)
            manager.stop();
    });
    asio::co_spawn(io, manager.serve(), [&](std::exception_ptr thrown) {
        signals.cancel();
        evercert::rethrow(thrown);
    });
    for (const auto& host : hosts)
        asio::co_spawn(io, obtain(manager, host), evercert::rethrow);
    run_on(io, s.threads);
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"An HTTPS server that gets its own certificates."};
    settings s;
    declare(app, s);
    CLI11_PARSE(app, argc, argv);
    return run(s);
} catch (const std::exception& e) {
    std::cerr << "https_server: " << e.what() << '\n';
    return 1;
}
