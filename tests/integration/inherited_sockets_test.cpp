#include <cstdlib>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/read.hpp>

#include <evercert/evercert.hpp>
#include <evercert/tls_stream.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "process.hpp"
#include "run.hpp"

// Sockets that systemd hands over (sd_listen_fds(3)), with bash in its place: it knows the process' number before it becomes
// the program, and puts the sockets where they belong.

using namespace evercert;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

/// A socket on a port of 127.0.0.1 that the system chose, which programs that are started inherit.
class inheritable_socket {
public:
    explicit inheritable_socket(int type = SOCK_STREAM, bool listens = true) : number_{::socket(AF_INET, type, 0)} {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(number_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
        if (listens)
            REQUIRE(::listen(number_, 16) == 0);
        socklen_t length = sizeof at;
        REQUIRE(::getsockname(number_, reinterpret_cast<sockaddr*>(&at), &length) == 0);
        port_ = ntohs(at.sin_port);
    }
    ~inheritable_socket() { ::close(number_); }
    inheritable_socket(const inheritable_socket&) = delete;

    std::string number() const { return std::to_string(number_); }
    std::uint16_t port() const { return port_; }

private:
    int number_;
    std::uint16_t port_ = 0;
};

struct fixture {
    fixture() {
        const auto own = authority.issue({"a.test"}, {now() - 1h, now() + std::chrono::days{30}});
        test::write_file(folder / "chain.pem", own->chain_pem());
        test::write_file(folder / "key.pem", own->key().to_pem());
        test::write_file(folder / "root.pem", authority.root_pem());
    }
    static wall_time now() { return system_clock()->wall(); }

    /// bash runs `script`, which begins with what redirects descriptors, and becomes the program.
    test::process start(const std::string& script) {
        const char* const program = std::getenv("EVERCERT_INHERITS_SOCKETS");
        if (!program)
            throw std::runtime_error{"EVERCERT_INHERITS_SOCKETS must name the program"};
        const auto log = folder / ("log" + std::to_string(++started));
        return {
            {"bash", "-c", script + " exec \"$@\"", "bash", program, folder / "chain.pem", folder / "key.pem"},
            {},
            log};
    }
    /// What it says, and with which status it ends.
    std::pair<std::string, int> run(const std::string& script) {
        auto program = start(script);
        const int status = program.wait(30s);
        return {program.log(), status};
    }

    asio::awaitable<std::string> ask(std::uint16_t port) {
        const tls_client_context trusting{folder / "root.pem", system_clock()};
        const auto network = system_network();
        const endpoint at{asio::ip::address_v4::loopback(), port};
        auto below = co_await network->connect(at);
        const std::vector<std::string> none;
        tls_stream client{std::move(below), trusting, "a.test", none};
        co_await client.handshake();
        std::string said(100, '\0');
        std::error_code ended;
        const auto size =
            co_await asio::async_read(client, asio::buffer(said), asio::redirect_error(asio::use_awaitable, ended));
        said.resize(size);
        co_return said;
    }

    test::temporary_folder folder;
    test::authority authority{now() - 24h};
    int started = 0;
};

}  // namespace

TEST_CASE("a TLS server serves on the listening sockets that it was started with") {
    fixture f;
    std::optional<inheritable_socket> first{std::in_place}, second{std::in_place};
    const auto one = first->port(), other = second->port();
    auto server =
        f.start("exec 3<&" + first->number() + " 4<&" + second->number() + "; export LISTEN_FDS=2 LISTEN_PID=$$;");
    // Clients came before the server did, and are in the sockets' queues.
    CHECK(test::run_io(f.ask(one)) == "inherited");
    first.reset();
    second.reset();
    CHECK(test::run_io(f.ask(other)) == "inherited");
    CHECK(server.wait(30s) == 0);
    CHECK_THAT(
        server.log(),
        ContainsSubstring("socket 3 listens on 127.0.0.1:" + std::to_string(one) + ", closed by exec\n") &&
            ContainsSubstring("socket 4 listens on 127.0.0.1:" + std::to_string(other) + ", closed by exec\n"));
}

TEST_CASE("without sockets of its own, or with those of another process, a program has none") {
    fixture f;
    const inheritable_socket listening;
    const auto here = "exec 3<&" + listening.number() + "; ";
    for (const auto* variables :
         {"", "export LISTEN_FDS=1;", "export LISTEN_PID=$$;", "export LISTEN_FDS=0 LISTEN_PID=$$;",
          "export LISTEN_FDS=1 LISTEN_PID=$PPID;", "export LISTEN_FDS=many LISTEN_PID=1;"}) {
        CAPTURE(variables);
        const auto said = f.run(here + variables);
        CHECK(said.first == "no sockets\n");
        CHECK(said.second == 2);
    }
}

TEST_CASE("what is wrong with inherited sockets is said") {
    fixture f;
    const inheritable_socket listening, silent{SOCK_STREAM, false}, datagrams{SOCK_DGRAM, false};
    const std::string one = " export LISTEN_FDS=1 LISTEN_PID=$$;";
    const auto given = [](const inheritable_socket& socket) { return "exec 3<&" + socket.number() + ";"; };
    const struct {
        std::string script, says;
    } table[] = {
        {given(silent) + one, "cannot listen on the socket 3: it does not listen (in systemd: Accept=no)"},
        {given(datagrams) + one, "cannot listen on the socket 3: it is not one of TCP (in systemd: ListenStream= "},
        {"exec 3</dev/null;" + one, "cannot listen on the socket 3: it is no socket"},
        {"exec 3<&-;" + one, "LISTEN_FDS says 1, but there is no descriptor 3"},
        {given(listening) + " exec 4<&-; export LISTEN_FDS=2 LISTEN_PID=$$;",
         "LISTEN_FDS says 2, but there is no descriptor 4"},
        {given(listening) + " export LISTEN_FDS=many LISTEN_PID=$$;",
         "LISTEN_FDS is \"many\", and not a number from 0"},
        {given(listening) + " export LISTEN_FDS= LISTEN_PID=$$;", "LISTEN_FDS is \"\", and not a number from 0"},
        {given(listening) + " export LISTEN_FDS=-1 LISTEN_PID=$$;", "LISTEN_FDS is \"-1\", and not a number from 0"},
        {given(listening) + " export LISTEN_FDS=1025 LISTEN_PID=$$;",
         "LISTEN_FDS is \"1025\", and not a number from 0"},
        {given(listening) + " export LISTEN_FDS=1 LISTEN_PID=me;", "LISTEN_PID is \"me\", and not a number from 0"},
    };
    for (const auto& row : table) {
        CAPTURE(row.script);
        const auto said = f.run(row.script);
        CHECK_THAT(said.first, ContainsSubstring(row.says));
        CHECK(said.second == 1);
    }
}
