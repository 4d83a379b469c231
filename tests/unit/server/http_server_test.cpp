#include <functional>
#include <map>
#include <optional>

#include <asio/strand.hpp>
#include <openssl/ssl.h>

#include <evercert/error.hpp>

#include "base/event.hpp"
#include "catch.hpp"
#include "certificates.hpp"
#include "crypto/challenge_certificate.hpp"
#include "descriptors.hpp"
#include "fake_clock.hpp"
#include "http/client.hpp"
#include "run.hpp"
#include "server/http_server.hpp"
#include "temp_folder.hpp"
#include "tls/tls_stream.hpp"
#include "wire.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

endpoint loopback() {
    endpoint at;
    at.address = asio::ip::make_address("127.0.0.1");
    return at;
}

/// The system's network, but every name is this machine.
class loopback_network final : public network {
public:
    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string) override {
        std::vector<asio::ip::address> here;
        here.push_back(loopback().address);
        co_return here;
    }
    asio::awaitable<std::unique_ptr<stream>> connect(endpoint to) override { return system_->connect(to); }
    std::unique_ptr<listener> listen(asio::any_io_executor on, endpoint at) override { return system_->listen(on, at); }

private:
    std::shared_ptr<network> system_ = system_network();
};

asio::awaitable<response> hello(request message) {
    co_return response{message.method + " " + message.host + message.target + " by " + message.server_name};
}

/// Hands out what it was given, by name; knows what it was asked.
class certificates final : public certificate_source {
public:
    std::map<std::string, certificate_ptr> by_name = {};
    certificate_ptr challenge = {};
    event* wait = nullptr;

    asio::awaitable<certificate_ptr> get_certificate(client_hello hello) override {
        if (wait)
            co_await wait->wait();
        if (hello.is_challenge())
            co_return challenge;
        const auto found = by_name.find(hello.server_name);
        if (found == by_name.end())
            throw error{errc::name_not_allowed, "not " + evercert::quoted(hello.server_name)};
        co_return found->second;
    }
};

/// A server on this machine, and a client for it.
struct setting {
    explicit setting(asio::io_context& io, server_options options = {}, handler answer = hello)
        : io{io}, server{asio::make_strand(io), io.get_executor(), options, time, logger{}} {
        auto on = net->listen(io.get_executor(), loopback());
        plain = on->local_endpoint();
        server.add(std::move(on), answer);
        on = net->listen(io.get_executor(), loopback());
        secure = on->local_endpoint();
        server.add(std::move(on), answer, source);

        const auto valid_from = time->wall() - std::chrono::hours{1};
        validity valid{valid_from, valid_from + std::chrono::hours{48}};
        source.by_name["a.test"] = root.issue({"a.test"}, valid);
        test::write_all_to(folder.file("roots"), root.root_pem());
        running.emplace(io.get_executor(), server.run());
    }

    http_client client() {
        http_client_options options;
        options.ca_file = folder.file("roots");
        return {options, time, net, logger{}, url_schemes::http_and_https};
    }
    std::string url(std::string scheme, std::string host = "a.test", std::string path = "/") const {
        return scheme + "://" + host + ":" + std::to_string((scheme == "http" ? plain : secure).port) + path;
    }
    asio::awaitable<void> until(std::function<bool()> condition) {
        while (!condition())
            co_await time->sleep_for(1ms);
    }
    asio::awaitable<std::unique_ptr<stream>> connect(endpoint to) { return net->connect(to); }

    asio::io_context& io;
    std::shared_ptr<evercert::clock> time = system_clock();
    std::shared_ptr<network> net = std::make_shared<loopback_network>();
    test::temp_folder folder;
    test::authority root{time->wall()};
    certificates source;
    http_server server;
    endpoint plain;
    endpoint secure;
    std::optional<test::started<void>> running;
};

asio::awaitable<std::error_code> code_of(asio::awaitable<response> sent) {
    try {
        co_await std::move(sent);
    } catch (const std::system_error& e) {
        co_return e.code();
    }
    co_return std::error_code{};
}

}  // namespace

TEST_CASE("a server answers on its plain and its TLS port until it is stopped") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        auto client = s.client();
        for (const std::string scheme : {"http", "https"}) {
            for (int i = 0; i < 2; ++i) {
                request message{"GET", s.url(scheme, "a.test", "/b?c")};
                auto answer = co_await client.send(std::move(message));
                CHECK(answer.status == 200);
                CHECK(answer.body == "GET a.test/b?c by " + std::string{scheme == "https" ? "a.test" : ""});
            }
        }
        CHECK(client.idle_connections() == 2);
        CHECK(s.server.connections() == 2);
        s.server.stop(10s);
        co_await s.running->join();
        CHECK(s.server.connections() == 0);
        request late{"GET", s.url("http")};
        auto refused = co_await code_of(client.send(std::move(late)));
        CHECK(refused == errc::connect_failed);
    });
}

TEST_CASE("stopping with open idle connections leaves no descriptor behind") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto client_streams = std::vector<std::unique_ptr<stream>>{};
        // The loop's own descriptors come with its first socket.
        {
            setting warm_up{io};
            warm_up.server.stop(0s);
            co_await warm_up.running->join();
        }
        const auto before = test::open_descriptors();
        {
            setting s{io};
            for (int i = 0; i < 10; ++i) {
                client_streams.push_back(co_await s.connect(s.plain));
                client_streams.push_back(co_await s.connect(s.secure));
            }
            co_await s.until([&] { return s.server.connections() == 20; });
            s.server.stop(0s);
            co_await s.running->join();
            for (auto& each : client_streams) {
                auto rest = co_await test::read_to_end(*each);
                CHECK(rest.empty());
            }
            client_streams.clear();
        }
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("a client does not trust another CA, nor a certificate for another name") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        s.source.by_name["b.test"] = s.source.by_name["a.test"];
        auto client = s.client();
        request other_name{"GET", s.url("https", "b.test")};
        auto refused = co_await code_of(client.send(std::move(other_name)));
        CHECK(refused == errc::peer_untrusted);

        test::authority other{s.time->wall()};
        test::write_all_to(s.folder.file("roots"), other.root_pem());
        auto distrusting = s.client();
        request other_root{"GET", s.url("https")};
        refused = co_await code_of(distrusting.send(std::move(other_root)));
        CHECK(refused == errc::peer_untrusted);
        CHECK(client.idle_connections() + distrusting.idle_connections() == 0);
        s.server.stop(10s);
        co_await s.running->join();
    });
}

TEST_CASE("a name that the source refuses gets an alert, and the server goes on") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        auto client = s.client();
        request unknown{"GET", s.url("https", "unknown.test")};
        auto refused = co_await code_of(client.send(std::move(unknown)));
        CHECK(refused == errc::tls_failed);
        request known{"GET", s.url("https")};
        auto answer = co_await client.send(std::move(known));
        CHECK(answer.status == 200);
        s.server.stop(10s);
        co_await s.running->join();
    });
}

TEST_CASE("a challenge connection ends after its handshake") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io};
        s.source.challenge = make_challenge_certificate("a.test", "token.thumbprint", s.time->wall());
        const tls_client_context trusting{s.folder.file("roots"), s.time};
        auto connection = co_await s.connect(s.secure);
        std::vector<std::string> protocols{"acme-tls/1"};
        tls_stream validator{std::move(connection), trusting, "a.test", std::move(protocols)};
        // RFC 8737, section 3: the certificate is self-signed; a validator looks at its extension.
        SSL_set_verify(validator.native_handle(), SSL_VERIFY_NONE, nullptr);
        co_await validator.handshake();
        CHECK(validator.alpn_protocol() == "acme-tls/1");
        auto rest = co_await test::read_to_end(validator);
        CHECK(rest.empty());
        s.server.stop(10s);
        co_await s.running->join();
    });
}

TEST_CASE("who does not finish the handshake is closed after its time") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        server_options options;
        options.handshake_timeout = 50ms;
        setting s{io, options};
        auto silent = co_await s.connect(s.secure);
        auto rest = co_await test::read_to_end(*silent);
        CHECK(rest.empty());
        auto wrong = co_await s.connect(s.secure);
        co_await write_all(*wrong, std::string_view{"GET / HTTP/1.1\r\n\r\n"});
        co_await s.until([&] { return s.server.connections() == 0; });
        s.server.stop(0s);
        co_await s.running->join();
    });
}

TEST_CASE("the time in which a certificate is awaited is not the handshake's") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        server_options options;
        options.handshake_timeout = 200ms;
        setting s{io, options};
        event ready{io.get_executor()};
        s.source.wait = &ready;
        auto client = s.client();
        request message{"GET", s.url("https")};
        test::started<response> sent{io.get_executor(), client.send(std::move(message))};
        co_await s.time->sleep_for(400ms);
        CHECK_FALSE(sent.ended());
        ready.notify_all();
        auto answer = co_await sent.join();
        CHECK(answer.status == 200);

        // One that waits still when the server stops is let go.
        request other{"GET", s.url("https")};
        auto second = s.client();
        test::started<response> waiting{io.get_executor(), second.send(std::move(other))};
        co_await s.until([&] { return s.server.connections() == 2; });
        s.server.stop(0s);
        co_await s.running->join();
        CHECK(s.server.connections() == 0);
    });
}

TEST_CASE("beyond the bound a new connection is closed at once") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        server_options options;
        options.connections_max = 2;
        setting s{io, options};
        std::vector<std::unique_ptr<stream>> two;
        two.push_back(co_await s.connect(s.plain));
        two.push_back(co_await s.connect(s.secure));
        co_await s.until([&] { return s.server.connections() == 2; });
        auto third = co_await s.connect(s.plain);
        auto rest = co_await test::read_to_end(*third);
        CHECK(rest.empty());
        two.clear();
        co_await s.until([&] { return s.server.connections() == 0; });
        auto client = s.client();
        request message{"GET", s.url("http")};
        auto answer = co_await client.send(std::move(message));
        CHECK(answer.status == 200);
        s.server.stop(10s);
        co_await s.running->join();
    });
}

TEST_CASE("stopping lets a request in flight be answered, but not longer than the grace") {
    for (const bool in_time : {true, false}) {
        INFO(in_time);
        test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
            event done{io.get_executor()};
            bool asked = false;
            const auto slow = [&](request) -> asio::awaitable<response> {
                asked = true;
                co_await done.wait();
                co_return response{"done"};
            };
            setting s{io, {}, slow};
            auto client = s.client();
            request message{"GET", s.url("https")};
            test::started<response> sent{io.get_executor(), client.send(std::move(message))};
            co_await s.until([&] { return asked; });
            s.server.stop(in_time ? 10s : 1ms);
            if (in_time) {
                co_await test::yield(10);
                done.notify_all();
                co_await s.until([&] { return sent.ended(); });
                auto answer = sent.take();
                CHECK(answer.body == "done");
                CHECK(client.idle_connections() == 0);
            }
            co_await s.running->join();
            CHECK(s.server.connections() == 0);
            co_await s.until([&] { return sent.ended(); });
            if (!in_time)
                CHECK_THROWS_AS(sent.take(), error);
        });
    }
}

TEST_CASE("cancelling a server closes everything and says so") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event never{io.get_executor()};
        bool asked = false;
        const auto hangs = [&](request) -> asio::awaitable<response> {
            asked = true;
            co_await never.wait();
            co_return response{"?"};
        };
        setting s{io, {}, hangs};
        auto client = s.client();
        request message{"GET", s.url("http")};
        test::started<response> sent{io.get_executor(), client.send(std::move(message))};
        co_await s.until([&] { return asked; });
        s.running->cancel();
        co_await s.until([&] { return s.running->ended(); });
        CHECK_THROWS_AS(s.running->take(), std::system_error);
        CHECK(s.server.connections() == 0);
        co_await s.until([&] { return sent.ended(); });
        CHECK_THROWS_AS(sent.take(), error);
    });
}

namespace {

/// A listener without a network: fails as often as it is told, then never accepts.
class failing_listener final : public listener {
public:
    failing_listener(asio::any_io_executor executor, int failures, int& left) : closed_{executor}, left_{left} {
        left_ = failures;
    }
    asio::awaitable<std::unique_ptr<stream>> accept(asio::any_io_executor) override {
        if (left_ > 0) {
            --left_;
            throw std::system_error{std::make_error_code(std::errc::too_many_files_open), "accept"};
        }
        while (!is_closed_)
            co_await closed_.wait();
        throw std::system_error{asio::error::operation_aborted};
    }
    void close() noexcept override {
        is_closed_ = true;
        closed_.notify_all();
    }
    endpoint local_endpoint() const override { return loopback(); }

private:
    event closed_;
    int& left_;
    bool is_closed_ = false;
};

}  // namespace

TEST_CASE("a listener that is out of descriptors is asked again after a pause, and the log says so once") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto time = std::make_shared<test::fake_clock>(io.get_executor());
        std::vector<std::string> lines;
        log_options log;
        log.sink = [&](log_level, std::string_view line) { lines.emplace_back(line); };
        http_server server{io.get_executor(), io.get_executor(), server_options{}, time, logger{log}};
        int left = 0;
        server.add(std::make_unique<failing_listener>(io.get_executor(), 5, left), hello);
        test::started<void> running{io.get_executor(), server.run()};
        co_await test::yield(10);
        CHECK(left == 4);
        // 10 ms, 20, 40, 80, 160.
        for (int i = 0; i < 31; ++i) {
            time->advance(10ms);
            co_await test::yield(10);
        }
        CHECK(left == 0);
        REQUIRE(lines.size() == 1);
        CHECK(lines[0].find("cannot accept on 127.0.0.1:0") != std::string::npos);
        server.stop(0s);
        co_await running.join();
    });
}

TEST_CASE("server options out of range are refused when the server is made") {
    asio::io_context io;
    const auto made = [&](auto change) {
        server_options options;
        change(options);
        try {
            http_server{io.get_executor(), io.get_executor(), options, system_clock(), logger{}};
        } catch (const error& e) {
            return e.code();
        }
        return std::error_code{};
    };
    CHECK(made([](auto& o) { o.head_timeout = 0ms; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.idle_timeout = -1ms; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.head_max = 10; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.connections_max = 0; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.keep_alive_requests_max = 0; }) == errc::invalid_options);
    CHECK_FALSE(made([](auto&) {}));
}
