#include <asio/steady_timer.hpp>

#include <evercert/evercert.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "process.hpp"
#include "run.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using std::chrono::days;

namespace {

asio::awaitable<response> hello(request asked) { co_return response{"hello from " + asked.server_name + "\n"}; }

/// A server with certificates of its own for x.test, one with each kind of key, and clients that are programs.
class site {
public:
    explicit site(std::chrono::milliseconds files_interval = 1min) {
        manager_options options;
        options.server.addresses = {asio::ip::address_v4::loopback()};
        options.server.https_port = 0;
        options.certificate_files_interval = files_interval;
        manager.emplace(io_, std::move(options));
        manager->set_hosts({});
        manager->handle("/", hello);
        test::write_file(root(), ca_.root_pem());
        serving_.emplace(io_.get_executor(), manager->serve_https());
        test::run_io(io_, manager->listening());
    }
    ~site() {
        manager->stop();
        test::run_io(io_, serving_->join());
    }

    certificate_ptr issue(key_type type) {
        const auto now = system_clock()->wall();
        return ca_.issue({"x.test"}, {now - 1h, now + days{30}}, type);
    }
    certificate_ptr add(key_type type, own_certificate_options options = {}) {
        const auto own = issue(type);
        manager->add_certificate(own->chain_pem(), own->key().to_pem(), options);
        return own;
    }

    /// What a program says until it ends; the server goes on meanwhile.
    std::string run(const std::vector<std::string>& command) {
        const auto log = folder / ("log" + std::to_string(++count_));
        test::process client{command, {}, log};
        test::run_io(io_, wait_for_end(client));
        return client.log();
    }
    /// `openssl s_client`: the handshake, and whether it trusts what it sees.
    std::string s_client(std::vector<std::string> options) {
        std::vector<std::string> command{
            "openssl", "s_client", "-connect", address(), "-CAfile", root(), "-verify_return_error", "-brief"};
        command.insert(command.end(), options.begin(), options.end());
        return run(command);
    }
    std::string curl(std::vector<std::string> options) {
        std::vector<std::string> command{"curl",       "--silent",  "--show-error",
                                         "--max-time", "20",        "--noproxy",
                                         "*",          "--resolve", "x.test:" + std::to_string(port()) + ":127.0.0.1",
                                         "--cacert",   root()};
        command.insert(command.end(), options.begin(), options.end());
        command.push_back("https://x.test:" + std::to_string(port()) + "/");
        return run(command);
    }
    template <typename Condition>
    bool until(Condition done) {
        return test::run_io(io_, wait_until(std::move(done)));
    }

    std::uint16_t port() const { return manager->https_endpoints().at(0).port; }
    std::string address() const { return "127.0.0.1:" + std::to_string(port()); }
    std::string root() const { return folder / "root.pem"; }

    test::temporary_folder folder;

private:
    asio::awaitable<void> wait_for_end(test::process& client) {
        asio::steady_timer timer{io_};
        for (int i = 0; client.is_running() && i < 60'000 / 5; ++i) {
            timer.expires_after(5ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
    }
    template <typename Condition>
    asio::awaitable<bool> wait_until(Condition done) {
        asio::steady_timer timer{io_};
        for (int i = 0; i < 30'000 / 50; ++i) {
            const bool is_done = done();
            if (is_done)
                co_return true;
            timer.expires_after(50ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
        co_return false;
    }

    test::authority ca_{system_clock()->wall() - 1h};
    asio::io_context io_;
    int count_ = 0;

public:
    std::optional<evercert::manager> manager;

private:
    std::optional<test::started<void>> serving_;
};

bool has(const std::string& said, std::string_view text) { return said.find(text) != std::string::npos; }

const std::string connects = R"(
import socket, ssl, sys
address, root, ciphers = sys.argv[1:4]
context = ssl.create_default_context(cafile=root)
if ciphers:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
host, port = address.split(":")
with socket.create_connection((host, int(port)), timeout=20) as plain:
    with context.wrap_socket(plain, server_hostname="x.test") as secured:
        print(secured.version(), secured.cipher()[0], secured.getpeercert()["serialNumber"].lower())
)";

const std::string go_client = R"(package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

func main() {
	pem, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots, ServerName: "x.test"}
	if os.Args[3] == "rsa" {
		config.MaxVersion = tls.VersionTLS12
		config.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	}
	connection, err := tls.Dial("tcp", os.Args[1], config)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	state := connection.ConnectionState()
	fmt.Printf("%x %s\n", state.Version, state.PeerCertificates[0].PublicKeyAlgorithm)
	connection.Close()
}
)";

}  // namespace

TEST_CASE("openssl s_client gets a certificate with the key that its signature algorithms and cipher suites ask for") {
    site server;
    server.add(key_type::ec_p256);
    server.add(key_type::rsa_2048);
    const struct {
        std::vector<std::string> options;
        const char* signature;
    } table[] = {
        {{"-tls1_3"}, "ECDSA"},
        {{"-tls1_3", "-sigalgs", "ECDSA+SHA256"}, "ECDSA"},
        {{"-tls1_3", "-sigalgs", "RSA-PSS+SHA256:ECDSA+SHA256"}, "ECDSA"},
        {{"-tls1_3", "-sigalgs", "RSA-PSS+SHA256:ECDSA+SHA384"}, "RSA-PSS"},
        {{"-tls1_2"}, "ECDSA"},
        {{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, "RSA"},
        {{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}, "ECDSA"},
        {{"-tls1_2", "-sigalgs", "RSA+SHA256:ECDSA+SHA256"}, "ECDSA"},
        {{"-tls1_2", "-sigalgs", "RSA+SHA256"}, "RSA"},
        {{"-tls1_2", "-groups", "X25519"}, "RSA"},
    };
    for (const auto& row : table) {
        auto options = row.options;
        options.insert(options.end(), {"-servername", "x.test", "-verify_hostname", "x.test"});
        const auto client = server.s_client(options);
        INFO(client);
        CHECK(has(client, "Signature type: " + std::string{row.signature}));
        CHECK(has(client, "Verification: OK"));
    }
}

TEST_CASE("openssl s_client is refused with the alert that fits") {
    site server;
    server.add(key_type::ec_p256);
    const auto unable = server.s_client({"-tls1_3", "-sigalgs", "RSA-PSS+SHA256", "-servername", "x.test"});
    INFO(unable);
    CHECK(has(unable, "handshake failure"));
    const auto nameless = server.s_client({"-noservername"});
    INFO(nameless);
    CHECK(has(nameless, "unrecognized name"));
    server.add(key_type::ec_p256, {.for_no_name = true});
    const auto served = server.s_client({"-noservername"});
    INFO(served);
    CHECK(has(served, "Verification: OK"));
}

TEST_CASE("curl, with any key and with RSA alone") {
    site server;
    server.add(key_type::ec_p256);
    const auto plain = server.curl({});
    INFO(plain);
    CHECK(has(plain, "hello from x.test"));
    const std::vector<std::string> rsa_alone{"--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"};
    CHECK(has(server.curl(rsa_alone), "handshake failure"));
    server.add(key_type::rsa_2048);
    CHECK(has(server.curl(rsa_alone), "hello from x.test"));
}

TEST_CASE("Python's ssl, with any key and with RSA alone") {
    site server;
    const auto ecdsa = server.add(key_type::ec_p256), rsa = server.add(key_type::rsa_2048);
    const auto python = [&](const char* ciphers) {
        return server.run({"python3", "-c", connects, server.address(), server.root(), ciphers});
    };
    const auto first = python("");
    INFO(first);
    CHECK(has(first, "TLSv1.3"));
    CHECK(has(first, ecdsa->serial()));
    const auto second = python("ECDHE-RSA-AES128-GCM-SHA256");
    INFO(second);
    CHECK(has(second, "TLSv1.2 ECDHE-RSA"));
    CHECK(has(second, rsa->serial()));
}

TEST_CASE("a Go client, with any key and with RSA alone") {
    try {
        test::run_program({"go", "version"});
    } catch (const std::exception&) {
        WARN("not run: there is no Go here (tools/setup --ci installs it)");
        return;
    }
    site server;
    server.add(key_type::ec_p256);
    server.add(key_type::rsa_2048);
    test::write_file(server.folder / "client.go", go_client);
    const auto built = server.run(
        {"env", "GO111MODULE=off", "GOFLAGS=", "GOTOOLCHAIN=local", "GOPATH=" + (server.folder / "path"),
         "GOCACHE=" + (server.folder / "cache"), "go", "build", "-o", server.folder / "client",
         server.folder / "client.go"});
    INFO(built);
    const auto any = server.run({server.folder / "client", server.address(), server.root(), "any"});
    INFO(any);
    CHECK(has(any, "304 ECDSA"));
    const auto rsa = server.run({server.folder / "client", server.address(), server.root(), "rsa"});
    INFO(rsa);
    CHECK(has(rsa, "303 RSA"));
}

TEST_CASE("a certificate whose files are replaced is served without a restart") {
    site server{1s};
    const auto chain = server.folder / "chain.pem", key = server.folder / "key.pem";
    const auto first = server.issue(key_type::ec_p256), second = server.issue(key_type::rsa_2048);
    test::write_file(chain, first->chain_pem());
    test::write_file(key, first->key().to_pem());
    server.manager->add_certificate_files(chain, key);
    CHECK(has(server.s_client({"-servername", "x.test"}), "Signature type: ECDSA"));
    test::write_file(chain, second->chain_pem());
    test::write_file(key, second->key().to_pem());
    REQUIRE(server.until([&] { return server.manager->find("x.test")->serial() == second->serial(); }));
    CHECK(has(server.s_client({"-servername", "x.test"}), "Signature type: RSA-PSS"));
}
