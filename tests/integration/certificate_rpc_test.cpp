#include <csignal>
#include <filesystem>
#include <string>
#include <sys/stat.h>

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

    test::process lead(const std::string& log = "leader.log", const std::vector<std::string>& more = {}) {
        std::vector<std::string> command{
            example("certificate_rpc"),
            "leader",
            "--socket",
            socket(),
            "--host",
            "a.test",
            "--host",
            "b.test",
            "--cache",
            folder / "cache",
            "--directory",
            ca.directory_url(),
            "--ca-file",
            ca.ca_file()};
        command.insert(command.end(), more.begin(), more.end());
        return {command, {}, folder / log};
    }
    test::process follow(std::uint16_t http_port, std::uint16_t https_port, const std::string& log) {
        test::process started{
            {example("certificate_rpc"), "follower", "--socket", socket(), "--bind", "127.0.0.1", "--http-port",
             std::to_string(http_port), "--https-port", std::to_string(https_port)},
            {},
            folder / log};
        wait_until("the follower listens", [&] {
            if (!started.is_running())
                throw std::runtime_error{"the follower ended: " + started.log()};
            return started.listens_on_tcp(https_port) && started.listens_on_tcp(http_port);
        });
        return started;
    }
    test::process lead_and_wait(const std::vector<std::string>& more = {}) {
        auto leader = lead("leader.log", more);
        wait_until("it leads", [&] { return std::filesystem::exists(socket()); });
        return leader;
    }

    /// What curl gets, or why it gets nothing.
    std::string curl(const std::string& host, std::uint16_t port, const std::string& scheme = "https") const {
        const auto at = host + ":" + std::to_string(port);
        test::process program{
            {"curl", "-sS", "-i", "-m", "40", "--cacert", folder / "root.pem", "--resolve", at + ":127.0.0.1",
             scheme + "://" + at + "/page"},
            {},
            folder / ("curl" + std::to_string(++count))};
        program.wait(45s);
        return program.log();
    }
    /// How `openssl s_client` is shown a certificate that it trusts, or why it is not.
    std::string s_client(const std::string& host, std::uint16_t port, const std::vector<std::string>& more) const {
        std::vector<std::string> command{
            "openssl",
            "s_client",
            "-connect",
            "127.0.0.1:" + std::to_string(port),
            "-servername",
            host,
            "-CAfile",
            folder / "root.pem",
            "-verify_return_error",
            "-brief"};
        command.insert(command.end(), more.begin(), more.end());
        test::process program{command, {}, folder / ("s_client" + std::to_string(++count))};
        program.wait(45s);
        return program.log();
    }
    std::string socket() const { return folder / "leader"; }

    test::pebble ca;
    test::temporary_folder folder;
    mutable int count = 0;
};

bool served(const std::string& said) { return said.find("Hello from") != std::string::npos; }

}  // namespace

TEST_CASE("certificate_rpc: followers serve with what the leader obtains through one of them, and outlive it") {
    fixture f;
    auto leader = f.lead_and_wait();
    struct stat mode{};
    REQUIRE(::stat(f.socket().c_str(), &mode) == 0);
    CHECK((mode.st_mode & 0777) == 0600);

    // The CA's validations come to the first one.
    auto first = f.follow(f.ca.http_port(), f.ca.tls_port(), "first.log");
    const auto port = test::free_port();
    auto second = f.follow(test::free_port(), port, "second.log");
    CHECK(served(f.curl("a.test", f.ca.tls_port())));
    CHECK(f.curl("c.test", port).find("unrecognized name") != std::string::npos);

    // A client that does not trust the CA, and is the first of the second follower.
    test::write_file(f.folder / "root.pem", test::read_file(f.ca.ca_file()));
    CHECK_FALSE(served(f.curl("a.test", port)));
    wait_until("the leader knows", [&] {
        return second.log().find("a client rejected the certificate for a.test; the leader knows") != std::string::npos;
    });
    test::write_file(f.folder / "root.pem", f.ca.issuing_root_pem());
    CHECK(served(f.curl("a.test", port)));

    leader.signal(SIGTERM);
    CHECK(leader.wait(5s) == 0);
    CHECK_FALSE(std::filesystem::exists(f.socket()));
    CHECK(served(f.curl("a.test", port)));
    CHECK_FALSE(served(f.curl("b.test", port)));
    CHECK(second.log().find("the leader at " + f.socket() + " does not answer") != std::string::npos);

    // The next leader has what the cache has.
    f.ca.stop();
    auto next = f.lead_and_wait();
    const auto other_port = test::free_port();
    auto third = f.follow(test::free_port(), other_port, "third.log");
    CHECK(served(f.curl("a.test", other_port)));
    for (auto* program : {&next, &first, &second, &third}) {
        program->signal(SIGINT);
        CHECK(program->wait(5s) == 0);
    }
}

TEST_CASE("certificate_rpc: a follower's client gets the kind of certificate that it can use, among P-256 and RSA") {
    using Catch::Matchers::ContainsSubstring;
    fixture f;
    auto leader = f.lead_and_wait({"--rsa"});
    const auto port = f.ca.tls_port();
    auto follower = f.follow(f.ca.http_port(), port, "follower.log");
    const std::vector<std::string> any, rsa{"-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"}, neither{"-sigalgs", "ed25519"};
    // What the follower has for some clients is not what it has for others.
    for (int i = 0; i < 2; ++i) {
        CHECK_THAT(f.s_client("a.test", port, any), ContainsSubstring("Signature type: ECDSA"));
        CHECK_THAT(f.s_client("a.test", port, rsa), ContainsSubstring("Signature type: RSA-PSS"));
    }
    // Whoever comes first.
    CHECK_THAT(f.s_client("b.test", port, rsa), ContainsSubstring("Signature type: RSA-PSS"));
    CHECK_THAT(f.s_client("a.test", port, neither), ContainsSubstring("alert handshake failure"));
    leader.signal(SIGTERM);
    CHECK(leader.wait(5s) == 0);
    CHECK_THAT(f.s_client("a.test", port, rsa), ContainsSubstring("Signature type: RSA-PSS"));
    CHECK_THAT(f.s_client("a.test", port, any), ContainsSubstring("Signature type: ECDSA"));
}

TEST_CASE("certificate_rpc: a follower's port 80 passes validations on and redirects the rest") {
    fixture f;
    auto leader = f.lead_and_wait();
    // Nobody listens where tls-alpn-01 is validated, so http-01 is tried next.
    const auto port = test::free_port();
    auto follower = f.follow(f.ca.http_port(), port, "follower.log");
    CHECK(served(f.curl("b.test", port)));
    CHECK(leader.log().find("challenge for b.test: http-01") != std::string::npos);
    CHECK(f.curl("b.test", f.ca.http_port(), "http").find("Location: https://b.test/page") != std::string::npos);
}

TEST_CASE("certificate_rpc: a second leader is refused, and one that was killed leaves nothing in the way") {
    fixture f;
    auto leader = f.lead_and_wait();
    auto second = f.lead("second.log");
    CHECK(second.wait(5s) == 1);
    CHECK(second.log().find("another leader answers at " + f.socket()) != std::string::npos);
    leader.signal(SIGKILL);
    leader.wait(5s);
    auto next = f.lead("next.log");
    wait_until("it leads", [&] { return next.log().find("leading at") != std::string::npos; });
}

TEST_CASE("certificate_rpc says what is wrong with its arguments") {
    test::temporary_folder folder;
    const auto refused = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), example("certificate_rpc"));
        test::process program{arguments, {}, folder / "log"};
        CHECK(program.wait(5s) != 0);
        return program.log();
    };
    CHECK(refused({}).find("subcommand") != std::string::npos);
    CHECK(refused({"leader", "--host", "a.test"}).find("--socket") != std::string::npos);
    CHECK(refused({"leader", "--host", "a b", "--socket", folder / "s"}).find("a b") != std::string::npos);
    const auto nowhere = folder / "no/folder";
    CHECK(refused({"leader", "--host", "a.test", "--socket", nowhere}).find(nowhere) != std::string::npos);
    CHECK(refused({"follower", "--socket", folder / "s", "--bind", "here"}).find("here") != std::string::npos);
}

TEST_CASE("certificate_rpc explains itself") {
    const auto help = test::run_program({example("certificate_rpc"), "leader", "--help"});
    CHECK(help.find("--socket") != std::string::npos);
    CHECK(help.find("--host") != std::string::npos);
}
