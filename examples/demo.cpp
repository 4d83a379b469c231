// A CA and a server in one process: a certificate over real ACME, and what a client gets.
//
//     demo [--once]

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <unistd.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/evercert.hpp>
#include <evercert/testing/acme_server.hpp>

namespace {

constexpr const char* name = "demo.test";

// Lines with the time since the start.
class narrator {
public:
    void operator()(std::string_view text) const {
        const std::chrono::duration<double, std::milli> since = std::chrono::steady_clock::now() - start_;
        std::printf("%8.1f ms  %.*s\n", since.count(), static_cast<int>(text.size()), text.data());
        std::fflush(stdout);
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The root of the demo's CA, in a file for curl, as long as the demo runs.
class root_file {
public:
    explicit root_file(const std::string& pem)
        : path_{
              std::filesystem::temp_directory_path() / ("evercert-demo-root-" + std::to_string(::getpid()) + ".pem")} {
        std::ofstream{path_} << pem;
    }
    ~root_file() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }
    root_file(const root_file&) = delete;
    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

evercert::manager_options manager_options(const evercert::testing::acme_server& ca, const narrator& tell) {
    evercert::manager_options options;
    options.email = "ops@demo.test";
    options.directory_url = ca.directory_url();
    options.http.ca_file = ca.api_root_file();
    options.server.addresses = {asio::ip::address_v4::loopback()};
    options.server.http_port = 0;
    options.server.https_port = 0;
    options.log.sink = [tell](evercert::log_level, std::string_view text) { tell(text); };
    return options;
}

asio::awaitable<evercert::response> hello(evercert::request) { co_return evercert::response{"Hello, TLS!\n"}; }

std::string curl_command(const std::string& root, std::uint16_t port) {
    const auto at = std::string{name} + ":" + std::to_string(port);
    return "curl --silent --show-error --include --cacert " + root + " --resolve " + at + ":127.0.0.1 https://" + at +
        "/";
}

// Away from the loop: the server has to answer while curl asks.
asio::awaitable<int> run_command(std::string command) { co_return std::system(command.c_str()); }

std::string date(evercert::wall_time when) {
    const auto seconds = std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(when));
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", std::gmtime(&seconds));
    return text;
}

void show(const evercert::certificate& cert) {
    std::cout << "\ncertificate\n  names   " << evercert::to_string(cert.names()) << "\n  from    "
              << date(cert.not_before()) << "\n  until   " << date(cert.not_after()) << "\n  issuer  " << cert.issuer()
              << "\n";
}

asio::awaitable<void> demonstrate(
    evercert::manager& manager, evercert::testing::acme_server& ca, asio::thread_pool& outside, const root_file& root,
    const narrator& tell, bool once) {
    co_await manager.listening();
    const auto http = manager.http_endpoints().at(0).port, https = manager.https_endpoints().at(0).port;
    ca.validation_ports(http, https);
    tell("the CA listens at " + ca.directory_url());
    tell("the server listens at https://127.0.0.1:" + std::to_string(https) + ", without a certificate");
    tell("a client asks for " + std::string{name});
    std::cout << "\n$ curl https://" << name << "/\n" << std::flush;
    const auto command = curl_command(root.path(), https);
    const int status = co_await asio::co_spawn(outside, run_command(command), asio::use_awaitable);
    std::cout << '\n';
    if (status != 0)
        throw std::runtime_error{"curl failed"};
    tell("the first request was answered");
    const auto obtained = manager.find(name);
    if (!obtained)
        throw std::runtime_error{"there is no certificate"};
    show(*obtained);
    if (once)
        manager.stop();
    else
        std::cout << "\nIt stays up until Ctrl-C. Ask it again:\n  " << command << "\n" << std::flush;
}

int run(bool once) {
    const narrator tell;
    asio::io_context io;
    asio::thread_pool outside{1};
    evercert::testing::acme_server ca{io.get_executor()};
    const root_file root{ca.issuing_root_pem()};
    evercert::manager manager{io, manager_options(ca, tell)};
    manager.set_hosts({name});
    manager.handle("/", hello);

    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code failed, int) {
        if (!failed)
            manager.stop();
    });
    asio::co_spawn(io, manager.serve(), [&](std::exception_ptr thrown) {
        signals.cancel();
        ca.stop();
        evercert::rethrow(thrown);
    });
    asio::co_spawn(io, demonstrate(manager, ca, outside, root, tell, once), evercert::rethrow);
    io.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    const bool once = argc == 2 && std::string_view{argv[1]} == "--once";
    if (argc > 1 && !once) {
        std::cerr << "usage: demo [--once]\n";
        return 2;
    }
    return run(once);
} catch (const std::exception& e) {
    std::cerr << "demo: " << e.what() << '\n';
    return 1;
}
