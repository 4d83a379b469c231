#include <csignal>
#include <string>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include "catch.hpp"
#include "example_programs.hpp"
#include "pebble.hpp"
#include "process.hpp"

using namespace std::chrono_literals;
using test::example;
using test::wait_until;

namespace {

struct fixture {
    fixture() { test::write_file(folder / "root.pem", ca.issuing_root_pem()); }

    test::process start(std::vector<std::string> more) {
        std::vector<std::string> command{
            example("openssl_server"),    "--directory", ca.directory_url(), "--ca-file", ca.ca_file(), "--port",
            std::to_string(ca.tls_port())};
        command.insert(command.end(), more.begin(), more.end());
        return {command, {}, folder / "server.log"};
    }
    std::vector<std::string> curl_command(const std::string& host) const {
        const auto at = host + ":" + std::to_string(ca.tls_port());
        return {"curl",         "-sS", "-m", "20", "--cacert", folder / "root.pem", "--resolve", at + ":127.0.0.1",
                "https://" + at};
    }
    bool is_served(const std::string& host) const {
        try {
            return test::run_program(curl_command(host)).find("Hello from " + host) != std::string::npos;
        } catch (const std::runtime_error&) {
            return false;
        }
    }

    test::pebble ca;
    test::temporary_folder folder;
};

}  // namespace

TEST_CASE("openssl_server refuses a client until its certificate is there, then serves") {
    fixture f;
    auto server = f.start({"--host", "a.test", "--host", "b.test", "--cache", f.folder / "cache"});
    wait_until("a.test is served", [&] { return f.is_served("a.test"); });
    wait_until("b.test is served", [&] { return f.is_served("b.test"); });
    CHECK_FALSE(f.is_served("c.test"));
    server.signal(SIGTERM);
    CHECK(server.wait(5s) == 0);
    CHECK(test::read_file(f.folder / "cache").find("certificates/b.test") != std::string::npos);
}

TEST_CASE("openssl_server ends by either signal, whoever is connected") {
    const int signal = GENERATE(SIGTERM, SIGINT);
    fixture f;
    auto server = f.start({"--host", "a.test"});
    wait_until("it listens", [&] { return server.listens_on_tcp(f.ca.tls_port()); });
    asio::io_context io;
    asio::ip::tcp::socket silent{io};
    silent.connect({asio::ip::address_v4::loopback(), f.ca.tls_port()});
    wait_until("a.test is served", [&] { return f.is_served("a.test"); });
    server.signal(signal);
    CHECK(server.wait(5s) == 0);
}

TEST_CASE("openssl_server says why it cannot start") {
    fixture f;
    auto first = f.start({"--host", "a.test"});
    wait_until("it listens", [&] { return first.listens_on_tcp(f.ca.tls_port()); });
    auto second = f.start({"--host", "a.test"});
    CHECK(second.wait(5s) == 1);
    CHECK(second.log().find("cannot listen on port " + std::to_string(f.ca.tls_port())) != std::string::npos);
    auto nameless = f.start({});
    CHECK(nameless.wait(5s) != 0);
    CHECK(nameless.log().find("--host") != std::string::npos);
}
