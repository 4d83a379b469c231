#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <evercert/evercert.hpp>
#include <evercert/tls_acceptor.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "process.hpp"

// Clients of a tls_acceptor in other languages, with TLS libraries that are not OpenSSL where there is one.

using namespace evercert;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Tells a client what it knows of it, and closes.
asio::awaitable<void> tell(tls_stream client) {
    const std::string known = "name=" + client.server_name() + " alpn=" + client.alpn_protocol() +
        " resumed=" + (client.resumed() ? "yes" : "no") + "\n";
    std::error_code failed;
    co_await asio::async_write(client, asio::buffer(known), asio::redirect_error(asio::use_awaitable, failed));
    if (!failed)
        co_await client.async_shutdown(asio::redirect_error(asio::use_awaitable, failed));
}

asio::awaitable<void> serve(tls_acceptor& on) {
    try {
        for (;;) {
            tls_stream client = co_await on.accept();
            const auto executor = client.get_executor();
            asio::co_spawn(executor, tell(std::move(client)), evercert::rethrow);
        }
    } catch (const error&) {
    }
}

tls_acceptor_options two_protocols() {
    tls_acceptor_options options;
    options.tls.alpn_protocols = {"game/2", "game/1"};
    return options;
}

/// A manager with certificates of its own for x.test behind a TLS acceptor, on a thread of its own.
class site {
public:
    site() {
        manager_.set_hosts({});
        for (const auto type : {key_type::ec_p256, key_type::rsa_2048}) {
            const auto own = ca_.issue({"x.test"}, {now() - 1h, now() + std::chrono::days{30}}, type);
            manager_.add_certificate(own->chain_pem(), own->key().to_pem());
        }
        test::write_file(root(), ca_.root_pem());
        at_ = acceptor_.listen({asio::ip::address_v4::loopback(), 0});
        asio::co_spawn(io_, serve(acceptor_), evercert::rethrow);
        thread_ = std::thread{[this] { io_.run(); }};
    }
    ~site() {
        manager_.stop();
        acceptor_.stop();
        thread_.join();
    }

    /// What a program says that is told where the server is, which roots to trust, and `more`.
    std::string run(std::vector<std::string> command, const std::vector<std::string>& more) {
        command.insert(command.end(), {"127.0.0.1:" + std::to_string(at_.port), root()});
        command.insert(command.end(), more.begin(), more.end());
        test::process client{command, {}, folder / ("log" + std::to_string(++count_))};
        client.wait(60s);
        return client.log();
    }

    test::temporary_folder folder;

private:
    static wall_time now() { return system_clock()->wall(); }
    std::string root() const { return folder / "root.pem"; }

    test::authority ca_{now() - 24h};
    asio::io_context io_;
    manager manager_{io_};
    tls_acceptor acceptor_{io_, manager_, two_protocols()};
    endpoint at_;
    std::thread thread_;
    int count_ = 0;
};

// Both clients: ADDRESS ROOT VERSION NAME PROTOCOLS. They connect twice, with the session of the first connection in the
// second, and print a line for each: what they see, then what the server says. PROTOCOLS: separated by commas; "-" = none.

const std::string python_client = R"(
import socket, ssl, sys

address, root, version, name, protocols = sys.argv[1:]
context = ssl.create_default_context(cafile=root)
context.minimum_version = context.maximum_version = ssl.TLSVersion["TLSv" + version.replace(".", "_")]
if protocols != "-":
    context.set_alpn_protocols(protocols.split(","))
host, port = address.split(":")
session = None
for _ in range(2):
    try:
        with socket.create_connection((host, int(port)), timeout=20) as plain:
            with context.wrap_socket(plain, server_hostname=name, session=session) as secured:
                said = b""
                while chunk := secured.recv(1000):
                    said += chunk
                session = secured.session
                print(secured.version(), secured.selected_alpn_protocol() or "-", "resumed" if secured.session_reused else "full",
                      said.decode(), end="")
    except ssl.SSLError as refused:
        # Python has no name for every alert; OpenSSL has.
        print("refused:", refused.reason or refused)
)";

const std::string go_client = R"(package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	address, root, version, name, protocols := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	pem, err := os.ReadFile(root)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	versions := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	config := &tls.Config{
		RootCAs: roots, ServerName: name, MinVersion: versions[version], MaxVersion: versions[version],
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}
	if protocols != "-" {
		config.NextProtos = strings.Split(protocols, ",")
	}
	for i := 0; i < 2; i++ {
		connection, err := tls.Dial("tcp", address, config)
		if err != nil {
			fmt.Println("refused:", err)
			continue
		}
		said, err := io.ReadAll(connection)
		if err != nil {
			fmt.Println("broken:", err)
		}
		state := connection.ConnectionState()
		protocol, how := state.NegotiatedProtocol, "full"
		if protocol == "" {
			protocol = "-"
		}
		if state.DidResume {
			how = "resumed"
		}
		seen := map[uint16]string{tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}[state.Version]
		fmt.Print(seen, " ", protocol, " ", how, " ", string(said))
		connection.Close()
	}
}
)";

/// Nothing, and says so, if there is no Go.
std::optional<std::string> build_go_client(const std::string& folder) {
    try {
        test::run_program({"go", "version"});
    } catch (const std::exception&) {
        WARN("not run: there is no Go here (tools/setup --ci installs it)");
        return std::nullopt;
    }
    test::write_file(folder + "/client.go", go_client);
    test::run_program(
        {"env", "GO111MODULE=off", "GOFLAGS=", "GOTOOLCHAIN=local", "GOPATH=" + folder + "/path",
         "GOCACHE=" + folder + "/cache", "go", "build", "-o", folder + "/client", folder + "/client.go"});
    return folder + "/client";
}

void check_client(site& server, const std::vector<std::string>& command, const std::string& unrecognized) {
    for (const std::string version : {"1.2", "1.3"}) {
        CAPTURE(version);
        const auto seen = "TLSv" + version;
        CHECK(
            server.run(command, {version, "x.test", "-"}) ==
            seen + " - full name=x.test alpn= resumed=no\n" + seen + " - resumed name=x.test alpn= resumed=yes\n");
        // In the server's order of preference.
        CHECK(
            server.run(command, {version, "x.test", "chat,game/1,game/2"}) ==
            seen + " game/2 full name=x.test alpn=game/2 resumed=no\n" + seen +
                " game/2 resumed name=x.test alpn=game/2 resumed=yes\n");
        CHECK_THAT(server.run(command, {version, "unknown.test", "-"}), ContainsSubstring(unrecognized));
    }
}

}  // namespace

TEST_CASE("Python's ssl shakes hands with a TLS acceptor, agrees on a protocol, resumes, and knows why it is refused") {
    site server;
    check_client(server, {"python3", "-c", python_client}, "refused: TLSV1_UNRECOGNIZED_NAME");
    CHECK_THAT(
        server.run({"python3", "-c", python_client}, {"1.3", "x.test", "chat"}),
        ContainsSubstring("alert no application protocol"));
}

TEST_CASE(
    "Go's crypto/tls shakes hands with a TLS acceptor, agrees on a protocol, resumes, and knows why it is refused") {
    site server;
    const auto client = build_go_client(server.folder.path());
    if (!client)
        return;
    check_client(server, {*client}, "refused: remote error: tls: unrecognized name");
    CHECK_THAT(
        server.run({*client}, {"1.3", "x.test", "chat"}),
        ContainsSubstring("refused: remote error: tls: no application protocol"));
}
