#include "acceptor_setting.hpp"

using namespace acceptor_test;

namespace {

tls_acceptor_options behind_proxy() {
    tls_acceptor_options options;
    options.trusted_proxies = {"127.0.0.1"};
    return options;
}

asio::awaitable<std::unique_ptr<tls_stream>> open_through_proxy(site& s, std::string header) {
    auto below = co_await s.connect();
    co_await write_all(*below, header);
    const std::vector<std::string> none;
    auto client = std::make_unique<tls_stream>(std::move(below), s.trusting, "a.test", none);
    co_await client->handshake();
    co_return client;
}

const std::string v1 = "PROXY TCP4 198.51.100.7 192.0.2.2 5555 8883\r\n";
const std::string v2{"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x02\x15\xb3\x22\xb3", 28};

}  // namespace

TEST_CASE("a connection that a trusted proxy hands on is its client's") {
    site s{behind_proxy()};
    const auto header = GENERATE_COPY(v1, v2);
    started<std::unique_ptr<tls_stream>> opening{s.io.get_executor(), open_through_proxy(s, header)};
    const auto accepted = s.run(s.acceptor.accept());
    CHECK(to_string(accepted.remote_endpoint()) == "198.51.100.7:5555");
    CHECK(to_string(accepted.local_endpoint()) == "192.0.2.2:8883");
    CHECK(to_string(s.certificates.last.remote) == "198.51.100.7:5555");
    s.until([&] { return opening.ended(); });
}

TEST_CASE("a trusted proxy's own connection is its own") {
    site s{behind_proxy()};
    const std::string local{"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16};
    started<std::unique_ptr<tls_stream>> opening{s.io.get_executor(), open_through_proxy(s, local)};
    const auto accepted = s.run(s.acceptor.accept());
    CHECK(accepted.remote_endpoint().address.is_loopback());
    s.until([&] { return opening.ended(); });
}

TEST_CASE("a PROXY header of anybody else is no TLS, and so is a trusted proxy's connection without one") {
    const bool trusts = GENERATE(false, true);
    tls_acceptor_options options;
    if (trusts)
        options = behind_proxy();
    site s{options};
    const auto failed = s.run(test::failure_of(open_through_proxy(s, trusts ? "" : v1)));
    CHECK((failed == errc::tls_failed || failed == errc::connection_closed));
    s.until([&] { return s.acceptor.handshakes() == 0; });
    CHECK(s.certificates.asked == 0);
    if (trusts)
        CHECK(s.has_logged("send-proxy-v2"));
}

TEST_CASE("limits count the client, not the proxy") {
    auto options = behind_proxy();
    options.connections.connections_per_address_max = 1;
    site s{options};
    started<std::unique_ptr<tls_stream>> first{s.io.get_executor(), open_through_proxy(s, v1)};
    const auto accepted = s.run(s.acceptor.accept());
    CHECK(s.run(test::failure_of(open_through_proxy(s, v1))) == errc::connection_closed);
    CHECK(s.has_logged("198.51.100.7"));
    started<std::unique_ptr<tls_stream>> other{
        s.io.get_executor(), open_through_proxy(s, "PROXY TCP4 198.51.100.8 192.0.2.2 5555 8883\r\n")};
    CHECK(to_string(s.run(s.acceptor.accept()).remote_endpoint()) == "198.51.100.8:5555");
    s.until([&] { return first.ended() && other.ended(); });
}

TEST_CASE("a proxy that does not finish its header is bounded by the deadline") {
    auto options = behind_proxy();
    options.handshakes.timeout = 30ms;
    site s{options};
    const auto silent = s.run(s.connect());
    s.run(write_all(*silent, v1.substr(0, 10)));
    s.until([&] { return s.has_logged("took too long"); });
    CHECK(s.acceptor.handshakes() == 0);
}
