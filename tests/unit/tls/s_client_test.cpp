#include <asio/steady_timer.hpp>

#include <evercert/network.hpp>

#include "base/stream_io.hpp"
#include "tls_test.hpp"

using namespace evercert;

namespace {

/// A server on a real socket that does one connection as the test says, for OpenSSL's own client.
class s_client_server {
public:
    explicit s_client_server(std::vector<std::string> alpn = {})
        : context_{tls_server_options{.alpn_protocols = std::move(alpn)}} {
        endpoint any;
        any.address = asio::ip::address_v4::loopback();
        listener_ = system_network()->listen(io_.get_executor(), any);
    }

    /// What `openssl s_client` with these options says; the server says "hello" to it, or refuses it for `why`.
    std::string talk(std::vector<std::string> options, certificate_ptr shown, std::optional<error> why = {}) {
        std::vector<std::string> command{
            "openssl",
            "s_client",
            "-connect",
            to_string(listener_->local_endpoint()),
            "-ign_eof",
            "-CAfile",
            test::shared_ca().root_file(),
            "-attime",
            now()};
        command.insert(command.end(), options.begin(), options.end());
        const std::string log = folder_ / ("log" + std::to_string(++count_));
        test::process client{command, {}, log};
        test::run_io(io_, serve_one(std::move(shown), std::move(why)));
        test::run_io(io_, wait_for_end(client));
        return client.log();
    }
    std::string file(const std::string& name) const { return folder_ / name; }

private:
    static std::string now() {
        const auto seconds = std::chrono::floor<std::chrono::seconds>(test::still_clock{}.now);
        return std::to_string(seconds.time_since_epoch().count());
    }

    asio::awaitable<void> serve_one(certificate_ptr shown, std::optional<error> why) {
        auto accepted = co_await listener_->accept(io_.get_executor());
        tls_stream connection{std::move(accepted), context_};
        const auto hello = co_await connection.receive_client_hello();
        if (why) {
            co_await connection.refuse(*why);
            co_return;
        }
        co_await connection.finish_handshake(std::move(shown));
        if (!hello.is_challenge())
            co_await write_all(connection, "hello\n");
        connection.shutdown_write();
        // Until the client has closed too: closing with something unread would take "hello" back.
        std::array<std::byte, 100> ignored;
        while (co_await read_some(connection, ignored) > 0) {
        }
    }

    asio::awaitable<void> wait_for_end(test::process& client) {
        asio::steady_timer timer{io_};
        while (client.is_running()) {
            timer.expires_after(std::chrono::milliseconds{5});
            co_await timer.async_wait(asio::use_awaitable);
        }
    }

    asio::io_context io_;
    tls_server_context context_;
    std::unique_ptr<listener> listener_;
    test::temporary_folder folder_;
    int count_ = 0;
};

}  // namespace

TEST_CASE("OpenSSL's client talks TLS 1.2 and 1.3 with it") {
    const std::string version = GENERATE("1.2", "1.3");
    s_client_server server{{"h2", "http/1.1"}};
    const auto said = server.talk(
        {"-servername", "a.test", "-tls" + std::string{version == "1.2" ? "1_2" : "1_3"}, "-alpn", "http/1.1,h2",
         "-verify_return_error", "-verify_hostname", "a.test"},
        test::certificate_for("a.test"));
    CHECK_THAT(said, Catch::Matchers::ContainsSubstring("TLSv" + version));
    CHECK_THAT(said, Catch::Matchers::ContainsSubstring("Verify return code: 0 (ok)"));
    CHECK_THAT(said, Catch::Matchers::ContainsSubstring("ALPN protocol: h2"));
    CHECK_THAT(said, Catch::Matchers::ContainsSubstring("hello"));
}

TEST_CASE("OpenSSL's client sees the alert of a refused name") {
    const std::string version = GENERATE("-tls1_2", "-tls1_3");
    s_client_server server;
    const auto said =
        server.talk({"-servername", "b.test", version}, nullptr, error{errc::name_not_allowed, "not here"});
    CHECK_THAT(said, Catch::Matchers::ContainsSubstring("SSL alert number 112"));
}

TEST_CASE("OpenSSL's client validates as a CA does") {
    const std::string version = GENERATE("-tls1_2", "-tls1_3");
    s_client_server server{{"h2"}};
    const auto said = server.talk(
        {"-servername", "a.test", version, "-alpn", "acme-tls/1"}, test::tls_ca::challenge(identifier{"a.test"}));
    CHECK_THAT(said, Catch::Matchers::ContainsSubstring("ALPN protocol: acme-tls/1"));
}

TEST_CASE("OpenSSL's client resumes its session for the name that it has it for, and no other") {
    const std::string version = GENERATE("-tls1_2", "-tls1_3");
    s_client_server server;
    const auto known = test::certificate_for("a.test");
    const auto first = server.talk({"-servername", "a.test", version, "-sess_out", server.file("session")}, known);
    CHECK_THAT(first, Catch::Matchers::ContainsSubstring("New, TLS"));
    const auto same = server.talk({"-servername", "a.test", version, "-sess_in", server.file("session")}, known);
    CHECK_THAT(same, Catch::Matchers::ContainsSubstring("Reused, TLS"));
    const auto other = server.talk({"-servername", "b.test", version, "-sess_in", server.file("session")}, known);
    CHECK_THAT(other, Catch::Matchers::ContainsSubstring("New, TLS"));
}
