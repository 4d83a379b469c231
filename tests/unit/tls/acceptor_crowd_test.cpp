#include <sys/resource.h>

#include "acceptor_setting.hpp"

using namespace acceptor_test;

namespace {

/// As many descriptors as the system lets us have; false if they are not enough.
bool allow_descriptors(rlim_t wanted) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min(limit.rlim_max, std::max(limit.rlim_cur, wanted));
    ::setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur >= wanted;
}

/// Waits for its bytes one at a time, as a client that wants to be in the way sends them.
asio::awaitable<void> drip(stream& to, std::string text) {
    asio::steady_timer pause{co_await asio::this_coro::executor};
    for (const char each : text) {
        co_await write_all(to, std::string_view{&each, 1});
        pause.expires_after(50ms);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<void> echo(tls_stream connection) {
    try {
        for (;;) {
            std::array<char, 5> said;
            co_await asio::async_read(connection, asio::buffer(said), asio::use_awaitable);
            co_await asio::async_write(connection, asio::buffer(said), asio::use_awaitable);
        }
    } catch (const std::system_error&) {
    }
}

asio::awaitable<void> serve(site& s) {
    try {
        for (;;) {
            tls_stream connection = co_await s.acceptor.accept();
            asio::co_spawn(s.io, echo(std::move(connection)), [](std::exception_ptr) {});
        }
    } catch (const error&) {
    }
}

asio::awaitable<bool> answers(tls_stream& connection) {
    std::array<char, 5> heard = {};
    try {
        co_await asio::async_write(connection, asio::buffer("hello", 5), asio::use_awaitable);
        co_await asio::async_read(connection, asio::buffer(heard), asio::use_awaitable);
    } catch (const std::system_error&) {
    }
    co_return std::string_view{heard.data(), heard.size()} == "hello";
}

struct open_clients {
    std::vector<std::unique_ptr<tls_stream>> all;
    asio::awaitable<void> open(site& s, int count) {
        for (int i = 0; i < count; ++i)
            all.push_back(co_await s.open("a.test"));
    }
    asio::awaitable<int> answering() {
        int count = 0;
        for (const auto& each : all)
            count += co_await answers(*each) ? 1 : 0;
        co_return count;
    }
};

asio::awaitable<void> connect_slow(site& s, int count, std::vector<std::unique_ptr<stream>>& into) {
    for (int i = 0; i < count; ++i) {
        into.push_back(co_await s.connect());
        // Half of them in the middle of a ClientHello.
        if (i % 2 == 0)
            co_await write_all(*into.back(), std::string_view{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11});
    }
}

}  // namespace

TEST_CASE("2,000 clients that stop in the middle of the handshake or send a byte at a time are in nobody's way") {
    constexpr int slow_clients = 2'000;
    if (!allow_descriptors(3 * slow_clients))
        return;
    tls_acceptor_options options;
    options.handshakes.timeout = 3s;
    options.handshakes.timeout_when_full = 200ms;
    options.handshakes.in_progress_max = slow_clients / 2;
    options.handshakes.per_address_max = 0;
    options.connections.connections_per_address_max = 0;
    site s{options};
    started<void> serving{s.io.get_executor(), serve(s)};
    open_clients before;
    test::run_io(s.io, before.open(s, 5));

    std::vector<std::unique_ptr<stream>> slow;
    started<void> crowding{s.io.get_executor(), connect_slow(s, slow_clients, slow)};
    s.until([&] { return crowding.ended(); });
    crowding.take();
    std::vector<std::unique_ptr<started<void>>> dripping;
    for (int i = 1; i < slow_clients; i += 200)
        dripping.push_back(std::make_unique<started<void>>(
            s.io.get_executor(), drip(*slow[i], "\x16\x03\x01\x02" + std::string(200, '\0'))));
    CHECK(s.acceptor.handshakes() <= slow_clients / 2 + 1);
    CHECK(s.run(before.answering()) == 5);
    // In its turn, while the crowd is there.
    open_clients after;
    test::run_io(s.io, after.open(s, 5));
    CHECK(s.run(after.answering()) == 5);
    // The kernel has some left each time that the acceptor has none.
    s.until([&] { return s.acceptor.connections() == 10; });
    CHECK(s.acceptor.handshakes() == 0);
    CHECK(s.run(before.answering()) == 5);
    s.run(s.acceptor.close());
    slow.clear();
}

TEST_CASE("a certificate is replaced under 1,000 open connections: none drops, and tickets still work") {
    constexpr int open_at_once = 1'000;
    if (!allow_descriptors(3 * open_at_once))
        return;
    tls_acceptor_options options;
    options.connections.connections_per_address_max = 0;
    site s{options};
    started<void> serving{s.io.get_executor(), serve(s)};
    open_clients held;
    test::run_io(s.io, held.open(s, open_at_once), 120s);
    REQUIRE(s.run(answers(*held.all.back())));
    SSL_SESSION* const session = SSL_get1_session(held.all.back()->native_handle());

    const auto before = s.certificates.of("a.test");
    s.certificates.certificates["a.test"] = test::certificate_for("a.test");
    auto next = s.run(s.open("a.test"));
    CHECK(
        X509_cmp(SSL_get0_peer_certificate(next->native_handle()), s.certificates.of("a.test")->native_handle()) == 0);
    CHECK(s.run(held.answering()) == open_at_once);
    auto back = s.run(s.open("a.test", {}, [&](SSL* ssl) { SSL_set_session(ssl, session); }));
    CHECK(back->resumed());
    SSL_SESSION_free(session);
    CHECK(s.acceptor.connections() == open_at_once + 2);
    s.run(s.acceptor.close());
}
