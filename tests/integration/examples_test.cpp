#include <csignal>
#include <stdexcept>
#include <string>

#include "catch.hpp"
#include "example_programs.hpp"
#include "pebble.hpp"
#include "process.hpp"

using namespace std::chrono_literals;
using test::example;
using test::wait_until;

namespace {

struct fixture {
    test::pebble ca;
    test::temporary_folder folder;

    test::process start_server(std::vector<std::string> more) {
        more.insert(
            more.end(), {"--http-port", std::to_string(ca.http_port()), "--https-port", std::to_string(ca.tls_port())});
        return test::start_example("https_server", ca, folder / "server.log", {ca.tls_port()}, more);
    }
    std::string curl(const std::string& host, std::vector<std::string> more = {}) {
        test::write_file(folder / "root.pem", root);
        std::vector<std::string> command{
            "curl",
            "-sS",
            "-i",
            "--cacert",
            folder / "root.pem",
            "--connect-to",
            "::127.0.0.1:" + std::to_string(ca.tls_port()),
            "https://" + host + "/"};
        command.insert(command.end(), more.begin(), more.end());
        return test::run_program(command);
    }
    std::string root = ca.issuing_root_pem();
};

}  // namespace

TEST_CASE("https_server gets its certificate from Pebble, answers, and ends by either signal with its state saved") {
    fixture f;
    const int signal = GENERATE(SIGTERM, SIGINT);
    auto server = f.start_server(
        {"--host", "a.test", "--host", "b.test", "--cache", f.folder / "cache", "--email", "ops@a.test", "--log",
         "debug"});
    CHECK(f.curl("a.test").starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(f.curl("b.test").find("b.test") != std::string::npos);
    CHECK_THROWS(f.curl("c.test"));
    server.signal(signal);
    CHECK(server.wait(2s) == 0);
    CHECK(test::read_file(f.folder / "cache").find("certificates/b.test") != std::string::npos);

    f.ca.stop();
    auto again = f.start_server({"--cache", f.folder / "cache"});
    CHECK(f.curl("a.test").find("Hello") != std::string::npos);
    again.signal(signal);
    CHECK(again.wait(2s) == 0);
}

TEST_CASE(
    "https_server keeps its certificates in a folder that others can read, tells its events, and starts from it") {
    fixture f;
    const auto store = f.folder / "store";
    auto server = f.start_server({"--host", "a.test", "--store", store, "--events"});
    CHECK(f.curl("a.test").starts_with("HTTP/1.1 200 OK\r\n"));
    server.signal(SIGTERM);
    CHECK(server.wait(2s) == 0);
    for (const auto* type : {"registered", "obtained", "saved", "published"})
        CHECK_THAT(server.log(), Catch::Matchers::ContainsSubstring("{\"type\":\"" + std::string{type} + "\""));
    const auto pem = store + "/certificates/a.test.pem";
    CHECK_THAT(
        test::run_program({"openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", pem}),
        Catch::Matchers::ContainsSubstring("DNS:a.test"));
    CHECK_THAT(
        test::run_program({"openssl", "pkey", "-noout", "-text", "-in", pem}),
        Catch::Matchers::ContainsSubstring("prime256v1"));

    f.ca.stop();
    auto again = f.start_server({"--host", "a.test", "--store", store});
    CHECK(f.curl("a.test").find("Hello") != std::string::npos);
    again.signal(SIGTERM);
    CHECK(again.wait(2s) == 0);
}

TEST_CASE("https_server ends in time while an order is in progress that goes nowhere") {
    fixture f;
    f.ca.stop();
    auto server = f.start_server({"--host", "a.test"});
    server.signal(SIGTERM);
    CHECK(server.wait(2s) == 0);
}

TEST_CASE("https_server takes the preferred challenge") {
    fixture f;
    auto server = f.start_server({"--host", "a.test", "--challenge", "http-01"});
    CHECK(f.curl("a.test").starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(server.log().find("challenge for a.test: http-01") != std::string::npos);
}

TEST_CASE("https_server says what is wrong with its arguments, and with its cache file") {
    test::temporary_folder folder;
    const auto refused = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), example("https_server"));
        test::process server{arguments, {}, folder / "log"};
        CHECK(server.wait(5s) != 0);
        return server.log();
    };
    CHECK(refused({"--host", "not a name"}).find("not a name") != std::string::npos);
    CHECK(refused({"--directory", "http://ca.test"}).find("https") != std::string::npos);
    CHECK(refused({"--challenge", "dns-01"}).find("--challenge") != std::string::npos);
    CHECK(refused({"--bind", "nowhere"}).find("nowhere") != std::string::npos);
    test::write_file(folder / "cache", "{\"evercert\": 1, \"it");
    CHECK(refused({"--cache", folder / "cache"}).find(folder / "cache") != std::string::npos);
    CHECK(test::read_file(folder / "cache") == "{\"evercert\": 1, \"it");
}

TEST_CASE("https_server names the address that it cannot listen on") {
    fixture f;
    auto first = f.start_server({});
    test::process second{
        {example("https_server"), "--bind", "127.0.0.1", "--http-port", "0", "--https-port",
         std::to_string(f.ca.tls_port())},
        {},
        f.folder / "second.log"};
    CHECK(second.wait(5s) == 1);
    CHECK(second.log().find("127.0.0.1:" + std::to_string(f.ca.tls_port())) != std::string::npos);
}

TEST_CASE("https_server serves the files of a folder with several threads, and writes its access log") {
    fixture f;
    test::write_file(f.folder / "index.html", "<p>home\n");
    test::write_file(f.folder / "large.bin", std::string(3'000'000, 'x'));
    auto server = f.start_server({"--host", "a.test", "--root", f.folder.path(), "--threads", "3", "--access-log"});
    CHECK_THAT(f.curl("a.test"), Catch::Matchers::ContainsSubstring("<p>home"));
    const auto large = [&](const std::string& range) {
        return test::run_program(
            {"curl", "-sS", "--cacert", f.folder / "root.pem", "--connect-to",
             "::127.0.0.1:" + std::to_string(f.ca.tls_port()), "-r", range, "https://a.test/large.bin"});
    };
    CHECK(large("0-").size() == 3'000'000);
    CHECK(large("2999990-").size() == 10);
    CHECK_THAT(
        f.curl("a.test", {"https://a.test/../server.log", "--path-as-is"}),
        !Catch::Matchers::ContainsSubstring("listening"));
    CHECK_THAT(f.curl("a.test", {"-X", "DELETE"}), Catch::Matchers::ContainsSubstring("405"));
    server.signal(SIGTERM);
    CHECK(server.wait(3s) == 0);
    CHECK_THAT(server.log(), Catch::Matchers::ContainsSubstring("\"GET / HTTP/1.1\" 200 8 \"-\" \"curl/"));
    CHECK_THAT(server.log(), Catch::Matchers::ContainsSubstring("\"GET /large.bin HTTP/1.1\" 206 10 "));
}

TEST_CASE("events tells the seconds to a client until it goes, and goes on where one was") {
    fixture f;
    test::process program{
        {example("events"), f.ca.directory_url(), f.ca.ca_file(), std::to_string(f.ca.http_port()),
         std::to_string(f.ca.tls_port()), "events.test"},
        {},
        f.folder / "events.log"};
    wait_until("the program listens", [&] { return program.listens_on_tcp(f.ca.tls_port()); });
    CHECK_THAT(f.curl("events.test"), Catch::Matchers::ContainsSubstring("EventSource"));
    test::process client{
        {"curl", "-sS", "-N", "-i", "--cacert", f.folder / "root.pem", "--connect-to",
         "::127.0.0.1:" + std::to_string(f.ca.tls_port()), "-H", "Last-Event-ID: 41", "https://events.test/events"},
        {},
        f.folder / "client.log"};
    wait_until("an event has come", [&] { return client.log().find("data: tick 43\n") != std::string::npos; });
    CHECK_THAT(
        client.log(),
        Catch::Matchers::ContainsSubstring("text/event-stream") &&
            Catch::Matchers::ContainsSubstring("id: 42\ndata: tick 42\n"));
    client.stop();
    program.signal(SIGTERM);
    CHECK(program.wait(3s) == 0);
}

TEST_CASE("compose serves beside its own loop and ends with it") {
    fixture f;
    test::process program{
        {example("compose"), "2.5", f.ca.directory_url(), f.ca.ca_file(), std::to_string(f.ca.http_port()),
         std::to_string(f.ca.tls_port()), "game.test"},
        {},
        f.folder / "compose.log"};
    wait_until("the program listens", [&] { return program.listens_on_tcp(f.ca.tls_port()); });
    CHECK(f.curl("game.test").find("ticks: ") != std::string::npos);
    CHECK(program.wait(10s) == 0);
    const auto log = program.log();
    CHECK(log.find("state: ") != std::string::npos);
    CHECK(log.find("served\n") != std::string::npos);
}

TEST_CASE("demo shows each step of a certificate and what curl got") {
    test::temporary_folder folder;
    test::process program{{example("demo"), "--once"}, {}, folder / "demo.log"};
    CHECK(program.wait(30s) == 0);
    const auto log = program.log();
    std::size_t at = 0;
    for (const std::string step :
         {"directory:", "account:", "order for demo.test", "challenge for demo.test", "authorized demo.test",
          "finalize", "certificate for demo.test", "HTTP/1.1 200 OK", "Hello, TLS!", "names   demo.test", "issuer"}) {
        CAPTURE(step, log);
        const auto found = log.find(step, at);
        REQUIRE(found != std::string::npos);
        at = found;
    }
}
