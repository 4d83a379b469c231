// Options that a client sees from outside: who it is taken for, how often it may come, and what HTTPS says about itself.

#include "http_server_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace http_server_test;

namespace {

constexpr std::string_view hsts = "Strict-Transport-Security";
const std::string get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

std::string proxied_for(const std::string& address) { return "PROXY TCP4 " + address + " 192.0.2.2 5555 80\r\n"; }

asio::awaitable<void> write_slowly(body_writer& out) {
    co_await out.write("piece");
    co_await out.flush();
}

asio::awaitable<response> answer_by_path(request asked) {
    if (asked.target == "/throws")
        throw std::runtime_error{"oops"};
    if (asked.target == "/streams")
        co_return response::stream(write_slowly);
    response answer{asked.remote.address.to_string()};
    if (asked.target == "/own")
        answer.fields.set(hsts, "max-age=7; includeSubDomains");
    if (asked.target == "/unsendable")
        answer.fields.set("X", "a\nb");
    co_return answer;
}

asio::awaitable<response> ask(setting& s, std::string scheme, std::string path) {
    auto client = s.client();
    request asked{"GET", s.url(scheme, "a.test", path)};
    co_return co_await client.send(std::move(asked));
}

/// Writes and reads on a connection that stays.
asio::awaitable<std::string> body_of(stream& on, std::string bytes) {
    co_await write_all(on, bytes);
    auto answer = co_await test::read_response(on);
    co_return answer.body;
}

asio::awaitable<std::string> rest_of(stream& on) {
    std::string rest;
    try {
        rest = co_await test::read_to_end(on);
    } catch (const std::system_error& e) {
        rest = "reset";
    }
    co_return rest;
}

asio::awaitable<std::unique_ptr<tls_stream>> secured(setting& s, std::string before_it = {}) {
    const tls_client_context trusting{s.folder.file("roots"), s.time};
    auto below = co_await s.connect(s.secure);
    co_await write_all(*below, before_it);
    const std::vector<std::string> none;
    auto client = std::make_unique<tls_stream>(std::move(below), trusting, "a.test", none);
    co_await client->handshake();
    co_return client;
}

}  // namespace

TEST_CASE("HSTS is in every answer over TLS that has none of its own, and in none over plain HTTP") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        server_options options;
        options.hsts_max_age = 600s;
        setting s{io, options, answer_by_path};
        const std::pair<std::string, int> paths[] = {
            {"/", 200}, {"/throws", 500}, {"/streams", 200}, {"/unsendable", 500}};
        for (const auto& [path, status] : paths) {
            INFO(path);
            auto answer = co_await ask(s, "https", path);
            CHECK(answer.status == status);
            CHECK(answer.fields.all(hsts) == std::vector<std::string_view>{"max-age=600"});
            // RFC 6797, section 7.2: not over plain HTTP.
            answer = co_await ask(s, "http", path);
            CHECK(answer.status == status);
            CHECK_FALSE(answer.fields.has(hsts));
        }
        auto own = co_await ask(s, "https", "/own");
        CHECK(own.fields.all(hsts) == std::vector<std::string_view>{"max-age=7; includeSubDomains"});
        auto client = co_await secured(s);
        co_await write_all(*client, std::string_view{"NO\r\n\r\n"});
        auto refused = co_await test::read_response(*client);
        CHECK(refused.status == 400);
        CHECK(refused.fields.get(hsts) == "max-age=600");
        client.reset();
        s.server.stop(0s);
        co_await s.running->join();
    });
}

TEST_CASE("without its option there is no HSTS") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io, {}, answer_by_path};
        auto answer = co_await ask(s, "https", "/");
        CHECK(answer.status == 200);
        CHECK_FALSE(answer.fields.has(hsts));
        s.server.stop(0s);
        co_await s.running->join();
    });
}

TEST_CASE("one client has its number of connections, on both ports together") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        server_options options;
        options.connections.connections_per_address_max = 2;
        setting s{io, options, answer_by_path};
        auto plain = co_await s.connect(s.plain);
        auto secure = co_await secured(s);
        auto body = co_await body_of(*plain, get);
        CHECK(body == "127.0.0.1");
        body = co_await body_of(*secure, get);
        CHECK(body == "127.0.0.1");
        for (const auto& port : {s.plain, s.secure}) {
            auto third = co_await s.connect(port);
            const auto rest = co_await rest_of(*third);
            CHECK(rest.empty());
        }
        // Those that are there are not disturbed, and who leaves makes room.
        body = co_await body_of(*plain, get);
        CHECK(body == "127.0.0.1");
        secure.reset();
        co_await s.until([&] { return s.server.connections() == 1; });
        auto again = co_await s.connect(s.plain);
        body = co_await body_of(*again, get);
        CHECK(body == "127.0.0.1");
        plain.reset();
        again.reset();
        s.server.stop(0s);
        co_await s.running->join();
    });
}

TEST_CASE("through a trusted proxy each client is itself: who asks, and whose limit it is") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        server_options options;
        options.trusted_proxies = {"127.0.0.0/8"};
        options.connections.connections_per_address_max = 2;
        std::vector<std::string> logged;
        options.access_log = [&](const access_record& record) { logged.push_back(to_string(record.remote)); };
        setting s{io, options, answer_by_path};
        std::vector<std::unique_ptr<stream>> open;
        for (const std::string address : {"198.51.100.7", "198.51.100.7", "198.51.100.8"}) {
            // The header and the request in one piece, as a proxy may send them.
            open.push_back(co_await s.connect(s.plain));
            auto body = co_await body_of(*open.back(), proxied_for(address) + get);
            CHECK(body == address);
            body = co_await body_of(*open.back(), get);
            CHECK(body == address);
        }
        CHECK(logged.at(0) == "198.51.100.7:5555");
        auto third = co_await s.connect(s.plain);
        co_await write_all(*third, proxied_for("198.51.100.7") + get);
        auto rest = co_await rest_of(*third);
        CHECK((rest.empty() || rest == "reset"));
        // The same for HTTPS, and counted together with the plain port.
        auto secure = co_await secured(s, proxied_for("198.51.100.8"));
        auto body = co_await body_of(*secure, get);
        CHECK(body == "198.51.100.8");
        auto fourth = co_await s.connect(s.plain);
        co_await write_all(*fourth, proxied_for("198.51.100.8") + get);
        rest = co_await rest_of(*fourth);
        CHECK((rest.empty() || rest == "reset"));
        // A check of the proxy's own (version 2, LOCAL) is its connection.
        auto check = co_await s.connect(s.plain);
        body = co_await body_of(*check, std::string{"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16} + get);
        CHECK(body == "127.0.0.1");
        s.server.stop(0s);
        co_await s.running->join();
        CHECK(s.server.connections() == 0);
    });
}

TEST_CASE("a trusted proxy that sends no header, or a wrong one, is closed without an answer") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        server_options options;
        options.trusted_proxies = {"127.0.0.1"};
        options.head_timeout = 100ms;
        setting s{io, options, answer_by_path};
        const std::vector<std::string> openings{"", "PROXY TCP4 198.51.100.7", get, "PROXY TCP4 a b 1 2\r\n" + get};
        for (const auto& said : openings) {
            INFO(said);
            auto one = co_await s.connect(s.plain);
            co_await write_all(*one, said);
            const auto rest = co_await rest_of(*one);
            CHECK((rest.empty() || rest == "reset"));
        }
        CHECK(s.server.connections() == 0);
        auto good = co_await s.connect(s.plain);
        auto body = co_await body_of(*good, proxied_for("198.51.100.7") + get);
        CHECK(body == "198.51.100.7");
        s.server.stop(0s);
        co_await s.running->join();
    });
}

TEST_CASE("a PROXY header of anybody else is no HTTP, and claims nothing") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        server_options options;
        options.trusted_proxies = {"192.0.2.0/24"};
        std::vector<std::string> logged;
        options.access_log = [&](const access_record& record) { logged.push_back(record.remote.address.to_string()); };
        setting s{io, options, answer_by_path};
        auto liar = co_await s.connect(s.plain);
        co_await write_all(*liar, proxied_for("198.51.100.7") + get);
        auto answer = co_await test::read_response(*liar);
        CHECK(answer.status == 400);
        const auto rest = co_await rest_of(*liar);
        CHECK(rest.empty());
        CHECK(logged == std::vector<std::string>{"127.0.0.1"});
        s.server.stop(0s);
        co_await s.running->join();
    });
}
