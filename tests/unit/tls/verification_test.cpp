#include <cstdlib>

#include "tls_test.hpp"

using namespace evercert;
using test::started;
using test::tls_options;
using test::tls_pair;

namespace {

/// What a client that connects to `name` thinks of this certificate; nothing if it is satisfied.
std::optional<error> judge(
    const std::string& name, certificate_ptr shown, duration clock_ahead = {}, int version = TLS1_3_VERSION) {
    return test::run_io([&](asio::io_context& io) -> asio::awaitable<std::optional<error>> {
        tls_options options;
        options.name = name;
        options.version = version;
        tls_pair pair{io.get_executor(), options};
        pair.time->now += clock_ahead;
        started<client_hello> accepting{io.get_executor(), test::accept_with(*pair.server, shown)};
        std::optional<error> judgement;
        try {
            co_await pair.client->handshake();
        } catch (const error& thrown) {
            judgement = thrown;
        }
        co_return judgement;
    });
}

struct environment_variable {
    environment_variable(const char* variable, const std::string& value) : name{variable} {
        if (const char* old = std::getenv(name))
            previous = old;
        ::setenv(name, value.c_str(), 1);
    }
    ~environment_variable() {
        if (previous)
            ::setenv(name, previous->c_str(), 1);
        else
            ::unsetenv(name);
    }
    const char* name;
    std::optional<std::string> previous;
};

}  // namespace

TEST_CASE("a client accepts a certificate for the name that it asked for") {
    CHECK_FALSE(judge("a.test", test::certificate_for("a.test")));
    CHECK_FALSE(judge("A.test", test::certificate_for("a.test")));
    CHECK_FALSE(judge("a.test.", test::certificate_for("a.test")));
    CHECK_FALSE(judge("www.a.test", test::certificate_for("*.a.test")));
}

TEST_CASE("a client refuses a certificate for another name, and names the one it asked for") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const auto judgement = judge("a.test", test::certificate_for("b.test"), {}, version);
    REQUIRE(judgement);
    CHECK(judgement->code() == errc::peer_untrusted);
    CHECK_THAT(
        judgement->what(),
        Catch::Matchers::ContainsSubstring("\"a.test\"") && Catch::Matchers::ContainsSubstring("hostname mismatch"));
    CHECK(judge("x.www.a.test", test::certificate_for("*.a.test")));
}

TEST_CASE("a client looks for IP addresses among the certificate's IP addresses") {
    CHECK_FALSE(judge("192.0.2.1", test::certificate_for("192.0.2.1")));
    CHECK_FALSE(judge("2001:db8::1", test::certificate_for("2001:db8::1")));
    const auto judgement = judge("192.0.2.2", test::certificate_for("192.0.2.1"));
    REQUIRE(judgement);
    CHECK(judgement->code() == errc::peer_untrusted);
    CHECK_THAT(judgement->what(), Catch::Matchers::ContainsSubstring("IP address mismatch"));
}

TEST_CASE("a client sends server names that are names, and no addresses") {
    const auto sent = [](const std::string& name) {
        return test::run_io([&](asio::io_context& io) -> asio::awaitable<std::string> {
            tls_options options;
            options.name = name;
            tls_pair pair{io.get_executor(), options};
            started<void> connecting{io.get_executor(), pair.client->handshake()};
            const auto hello = co_await pair.server->receive_client_hello();
            co_return hello.server_name;
        });
    };
    CHECK(sent("a.test") == "a.test");
    CHECK(sent("a.test.") == "a.test");
    CHECK(sent("192.0.2.1").empty());
    CHECK(sent("2001:db8::1").empty());
}

TEST_CASE("a client verifies dates at its clock's time") {
    using std::chrono::days;
    CHECK_FALSE(judge("a.test", test::certificate_for("a.test"), days{59}));
    const auto late = judge("a.test", test::certificate_for("a.test"), days{61});
    REQUIRE(late);
    CHECK(late->code() == errc::peer_untrusted);
    CHECK_THAT(late->what(), Catch::Matchers::ContainsSubstring("expired"));
    const auto early = judge("a.test", test::certificate_for("a.test"), -days{31});
    REQUIRE(early);
    CHECK_THAT(early->what(), Catch::Matchers::ContainsSubstring("not yet valid"));
}

TEST_CASE("a client verifies at the time at which the certificate comes, not at which it began to wait for it") {
    const auto judgement = test::run_io([&](asio::io_context& io) -> asio::awaitable<std::optional<error>> {
        tls_pair pair{io.get_executor(), {}};
        pair.time->now -= std::chrono::days{31};
        auto handshake = pair.client->handshake();
        started<void> connecting{io.get_executor(), std::move(handshake)};
        co_await pair.server->receive_client_hello();
        pair.time->now += std::chrono::days{31};
        std::optional<error> thrown;
        try {
            co_await pair.server->finish_handshake(test::certificate_for("a.test"));
            co_await connecting.join();
        } catch (const error& e) {
            thrown = e;
        }
        co_return thrown;
    });
    CHECK_FALSE(judgement);
}

TEST_CASE("a client refuses what a CA that it does not know has issued") {
    const test::tls_ca stranger;
    std::vector<identifier> names;
    names.emplace_back("a.test");
    const auto judgement = judge("a.test", stranger.issue(names));
    REQUIRE(judgement);
    CHECK(judgement->code() == errc::peer_untrusted);
    CHECK_THAT(judgement->what(), Catch::Matchers::ContainsSubstring("unable to get local issuer certificate"));
    const auto self_signed = judge("a.test", test::tls_ca::challenge(identifier{"a.test"}));
    REQUIRE(self_signed);
    CHECK(self_signed->code() == errc::peer_untrusted);
}

TEST_CASE("SSL_CERT_FILE names the roots where no file is given") {
    const auto time = std::make_shared<test::still_clock>();
    const environment_variable file{"SSL_CERT_FILE", test::shared_ca().root_file()};
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        const tls_server_context server_context{tls_server_options{}};
        const tls_client_context client_context{"", time};
        auto ends = memory_stream_pair(io.get_executor());
        tls_stream server{std::move(ends.first), server_context};
        tls_stream client{std::move(ends.second), client_context, "a.test", {}};
        started<client_hello> accepting{io.get_executor(), test::accept_with(server, test::certificate_for("a.test"))};
        co_await client.handshake();
    });
}

TEST_CASE("roots that cannot be read are an invalid option that names the file") {
    const auto time = std::make_shared<test::still_clock>();
    const test::temporary_folder folder;
    test::write_file(folder / "empty.pem", "no certificate\n");
    for (const std::string& path : {folder / "absent.pem", folder / "empty.pem", folder.path()}) {
        const environment_variable file{"SSL_CERT_FILE", path};
        for (const std::string& option : {path, std::string{}}) {
            try {
                tls_client_context{option, time};
                FAIL("nothing was thrown");
            } catch (const error& thrown) {
                CHECK(thrown.code() == errc::invalid_options);
                CHECK_THAT(thrown.what(), Catch::Matchers::ContainsSubstring(path));
            }
        }
    }
}

TEST_CASE("an intermediate among the roots is trusted as what it is") {
    const auto time = std::make_shared<test::still_clock>();
    const test::temporary_folder folder;
    test::write_file(folder / "issuer.pem", test::shared_ca().intermediate_pem());
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        const tls_server_context server_context{tls_server_options{}};
        const tls_client_context client_context{folder / "issuer.pem", time};
        auto ends = memory_stream_pair(io.get_executor());
        tls_stream server{std::move(ends.first), server_context};
        tls_stream client{std::move(ends.second), client_context, "a.test", {}};
        started<client_hello> accepting{io.get_executor(), test::accept_with(server, test::certificate_for("a.test"))};
        co_await client.handshake();
    });
}

TEST_CASE("a name that no server can have is an invalid option") {
    const auto time = std::make_shared<test::still_clock>();
    const tls_client_context context{test::shared_ca().root_file(), time};
    const std::string name = GENERATE(std::string{}, std::string{"."}, std::string{"a\0b", 3}, std::string(254, 'a'));
    asio::io_context io;
    auto ends = memory_stream_pair(io.get_executor());
    CHECK_THROWS_AS((tls_stream{std::move(ends.first), context, name, {}}), error);
}
