#include "base/stream_io.hpp"
#include "counted_stream.hpp"
#include "tls_test.hpp"

using namespace evercert;
using test::counted_stream;
using test::started;

namespace {

asio::awaitable<void> wait_readable(stream& on) { co_await on.wait_readable(); }

/// Both ends of a connection in memory or on a real socket, and what the server's end was asked for.
struct ends {
    std::unique_ptr<stream> client;
    std::unique_ptr<stream> server;
    std::shared_ptr<counted_stream::counts> reads = std::make_shared<counted_stream::counts>();
};

asio::awaitable<ends> connect(bool in_memory) {
    const auto executor = co_await asio::this_coro::executor;
    ends made;
    std::unique_ptr<stream> server;
    if (in_memory) {
        auto pair = memory_stream_pair(executor);
        made.client = std::move(pair.first);
        server = std::move(pair.second);
    } else {
        const auto listening = system_network()->listen(executor, {asio::ip::address_v4::loopback(), 0});
        made.client = co_await system_network()->connect(listening->local_endpoint());
        server = co_await listening->accept(executor);
    }
    made.server = std::make_unique<counted_stream>(std::move(server), made.reads);
    co_return made;
}

/// A server and a client that trust each other.
struct connection {
    explicit connection(ends on, int version)
        : reads{on.reads},
          server{std::move(on.server), server_context},
          client{std::move(on.client), client_context, "a.test", {}} {
        SSL_set_max_proto_version(client.native_handle(), version);
    }

    /// The client speaks first, so that the server finds what it reads.
    asio::awaitable<void> establish() {
        const auto executor = co_await asio::this_coro::executor;
        started<void> connecting{executor, client.handshake()};
        co_await client_has_spoken();
        co_await test::accept_with(server, test::certificate_for("a.test"));
        co_await connecting.join();
    }
    static asio::awaitable<void> client_has_spoken() { co_await test::yield(5); }

    std::shared_ptr<test::still_clock> time = std::make_shared<test::still_clock>();
    tls_server_context server_context{test_options(time)};
    tls_client_context client_context{test::shared_ca().root_file(), time};
    std::shared_ptr<counted_stream::counts> reads;
    tls_stream server;
    tls_stream client;

    static tls_server_options test_options(std::shared_ptr<evercert::clock> time) {
        tls_server_options options;
        options.clock = std::move(time);
        return options;
    }
};

asio::awaitable<std::string> read_once(stream& from) {
    std::array<char, 100> buffer;
    const auto size = co_await read_some(from, std::as_writable_bytes(std::span{buffer}));
    co_return std::string{buffer.data(), size};
}

asio::awaitable<std::string> next_text(stream& from) {
    co_await from.wait_readable();
    co_return co_await read_once(from);
}

}  // namespace

TEST_CASE("a server's handshake reads once for each flight of its client") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    test::run_io([&](asio::io_context&) -> asio::awaitable<void> {
        auto on = co_await connect(true);
        connection c{std::move(on), version};
        co_await c.establish();
        CHECK(c.reads->some == 2);
        CHECK(c.reads->nothing == 0);
    });
}

TEST_CASE("what a client sends while its handshake is suspended ends the wait that follows") {
    const bool in_memory = GENERATE(true, false);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        auto on = co_await connect(in_memory);
        connection c{std::move(on), TLS1_3_VERSION};
        started<void> connecting{io.get_executor(), c.client.handshake()};
        co_await c.server.receive_client_hello();
        c.client.close();
        co_await test::yield(5);
        const auto failed = co_await test::error_of(c.server.finish_handshake(test::certificate_for("a.test")));
        CHECK(failed.code() == errc::connection_closed);
    });
}

TEST_CASE("who waits after a read, without another, waits for what OpenSSL has not read yet") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const bool in_memory = GENERATE(true, false);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        auto on = co_await connect(in_memory);
        connection c{std::move(on), version};
        co_await c.establish();
        // Two records that OpenSSL reads at once: the second is no event below.
        co_await write_all(c.client, "one");
        co_await write_all(c.client, "two");
        auto text = co_await next_text(c.server);
        CHECK(text == "one");
        text = co_await next_text(c.server);
        CHECK(text == "two");

        co_await write_all(c.client, "three");
        text = co_await next_text(c.server);
        CHECK(text == "three");
        const auto before = *c.reads;
        started<void> waiting{io.get_executor(), wait_readable(c.server)};
        co_await test::yield(5);
        // An event of a socket that is older than the read may end a wait for nothing.
        if (in_memory)
            CHECK_FALSE(waiting.ended());
        CHECK(c.reads->nothing == before.nothing);
        co_await write_all(c.client, "four");
        co_await waiting.join();
        text = co_await read_once(c.server);
        CHECK(text == "four");
        // Comes before the wait begins.
        co_await write_all(c.client, "five");
        text = co_await next_text(c.server);
        CHECK(text == "five");
        c.client.shutdown_write();
        text = co_await next_text(c.server);
        CHECK(text.empty());
    });
}

TEST_CASE("a read after a short one looks again: nothing is said to be missing that has come") {
    const bool in_memory = GENERATE(true, false);
    test::run_io([&](asio::io_context&) -> asio::awaitable<void> {
        auto on = co_await connect(in_memory);
        connection c{std::move(on), TLS1_3_VERSION};
        co_await c.establish();
        const std::vector<std::string> texts{"one", "two"};
        for (const auto& text : texts) {
            co_await write_all(c.client, text);
            std::array<char, 100> buffer;
            const auto read = c.server.try_read(std::as_writable_bytes(std::span{buffer}));
            CHECK(!read.error);
            CHECK(std::string(buffer.data(), read.size) == text);
        }
    });
}
