#include <optional>

#include <openssl/ssl.h>

#include <evercert/error.hpp>
#include <evercert/tls_acceptor.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "process.hpp"
#include "refused_keys.hpp"
#include "run.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

/// Notes how the handshakes with its certificate ended.
class noting_source final : public certificate_source {
public:
    asio::awaitable<certificate_ptr> get_certificate(client_hello) override { co_return chosen; }
    void handshake_ended(const certificate_ptr& used, handshake_result result) noexcept override {
        CHECK(used == chosen);
        results.push_back(result);
    }

    certificate_ptr chosen;
    std::vector<handshake_result> results;
};

/// A server for one connection after the other, on a real socket, and the programs that connect to it.
class site {
public:
    site() {
        address_ = acceptor.listen({asio::ip::address_v4::loopback(), 0});
        source.chosen = ca.issue({"a.test"}, {now_ - 1h, now_ + 24h});
        test::write_file(file("root.pem"), ca.root_pem());
        test::write_file(file("other.pem"), test::authority{now_}.root_pem());
    }

    /// How the handshake with this client ended, as the source was told; nothing if it was told nothing.
    std::optional<handshake_result> meet(const std::vector<std::string>& command) {
        source.results.clear();
        test::process client{command, {}, file("log")};
        test::run_io(io_, serve_until_gone(client));
        CHECK(source.results.size() <= 1);
        return source.results.empty() ? std::nullopt : std::optional{source.results.front()};
    }
    std::optional<handshake_result> meet_openssl(
        std::vector<std::string> options, const std::string& root = "root.pem") {
        std::vector<std::string> command{"openssl", "s_client",    "-connect",
                                         address(), "-servername", "a.test",
                                         "-CAfile", file(root),    "-verify_return_error",
                                         "-ign_eof"};
        command.insert(command.end(), options.begin(), options.end());
        return meet(command);
    }
    std::optional<handshake_result> meet_curl(const std::string& host, const std::string& root) {
        const auto port = std::to_string(address_.port);
        return meet(
            {"curl", "-sS", "-m", "20", "--cacert", file(root), "--resolve", host + ":" + port + ":127.0.0.1",
             "https://" + host + ":" + port + "/"});
    }

    std::string address() const { return to_string(address_); }
    std::string file(const std::string& name) const { return folder_ / name; }

    noting_source source;
    const wall_time now_ = system_clock()->wall();
    test::authority ca{now_ - 1h};

private:
    asio::io_context io_;

public:
    tls_acceptor acceptor{io_, source, with_http()};

private:
    static tls_acceptor_options with_http() {
        tls_acceptor_options options;
        options.tls.alpn_protocols = {"http/1.1"};
        return options;
    }

    /// Closes what is established, so that the client ends.
    asio::awaitable<void> accept_and_close() {
        for (;;) {
            tls_stream connection = co_await acceptor.accept();
            CHECK((source.results.empty() || source.results.front() == handshake_result::established));
            connection.shutdown_write();
        }
    }

    asio::awaitable<void> serve_until_gone(test::process& client) {
        test::started<void> accepting{io_.get_executor(), accept_and_close()};
        asio::steady_timer timer{io_};
        while (client.is_running() || acceptor.handshakes() > 0) {
            timer.expires_after(2ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
    }

    endpoint address_;
    test::temporary_folder folder_;
};

constexpr auto established = handshake_result::established;
constexpr auto rejected = handshake_result::certificate_rejected;

}  // namespace

TEST_CASE("the source is told that OpenSSL's client took the certificate") {
    site s;
    CHECK(s.meet_openssl({GENERATE("-tls1_2", "-tls1_3")}) == established);
}

TEST_CASE("the source is told that OpenSSL's client rejected the certificate: its CA, its name or its dates") {
    const std::string version = GENERATE("-tls1_2", "-tls1_3");
    site s;
    CHECK(s.meet_openssl({version}, "other.pem") == rejected);
    CHECK(s.meet_openssl({version, "-verify_hostname", "b.test"}) == rejected);
    s.source.chosen = s.ca.issue({"a.test"}, {s.now_ - 30min, s.now_ - 10min});
    CHECK(s.meet_openssl({version}) == rejected);
}

TEST_CASE("the source is told what curl thinks of the certificate") {
    site s;
    CHECK(s.meet_curl("a.test", "root.pem") == established);
    CHECK(s.meet_curl("a.test", "other.pem") == rejected);
    s.source.chosen = s.ca.issue({"a.test"}, {s.now_ - 30min, s.now_ - 10min});
    CHECK(s.meet_curl("a.test", "root.pem") == rejected);
}

TEST_CASE("a client that takes no signature of the certificate's key has rejected it") {
    site s;
    CHECK(s.meet_openssl({"-tls1_3", "-sigalgs", "RSA-PSS+SHA256"}) == rejected);
}

TEST_CASE("a client that speaks no cipher of ours says nothing about the certificate") {
    site s;
    CHECK(s.meet_openssl({"-tls1_2", "-cipher", "AES128-SHA"}) == handshake_result::failed);
}

TEST_CASE("a client that resumes its session was shown no certificate") {
    const std::string version = GENERATE("-tls1_2", "-tls1_3");
    site s;
    CHECK(s.meet_openssl({version, "-sess_out", s.file("session")}) == established);
    CHECK(s.meet_openssl({version, "-sess_in", s.file("session")}) == std::nullopt);
}

TEST_CASE("a certificate that OpenSSL does not let us use is rejected") {
    site s;
    test::refuse_every_key(s.acceptor.native_handle());
    CHECK(s.meet_openssl({GENERATE("-tls1_2", "-tls1_3")}) == rejected);
}
