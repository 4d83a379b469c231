#include "base/stream_io.hpp"
#include "tls_test.hpp"

using namespace evercert;
using test::started;
using test::tls_options;
using test::tls_pair;

namespace {

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        text[i] = static_cast<char>('a' + i * 7 % 23);
    return text;
}

asio::awaitable<void> write_text(stream& to, std::string text) { co_await write_all(to, text); }

/// Everything up to the end; throws what ended it otherwise.
asio::awaitable<std::string> read_to_end(stream& from) {
    std::string text;
    std::array<std::byte, 5000> buffer;
    for (;;) {
        const auto count = co_await read_some(from, buffer);
        if (count == 0)
            co_return text;
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
    }
}

std::error_code code_of(started<std::string>& reading) {
    try {
        reading.take();
    } catch (const std::system_error& thrown) {
        return thrown.code();
    }
    return {};
}

}  // namespace

TEST_CASE("data goes both ways at once, whatever fits below") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const std::size_t capacity = GENERATE(1000, 64 << 10);
    const std::string to_client = pattern(300'000);
    const std::string to_server = pattern(200'000);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        options.version = version;
        options.capacity = capacity;
        options.segment = 700;
        tls_pair pair{io.get_executor(), options};
        co_await test::establish(pair, test::certificate_for("a.test"));
        started<void> server_writes{io.get_executor(), write_text(*pair.server, to_client)};
        started<void> client_writes{io.get_executor(), write_text(*pair.client, to_server)};
        started<std::string> server_reads{io.get_executor(), test::read_exactly(*pair.server, to_server.size())};
        started<std::string> client_reads{io.get_executor(), test::read_exactly(*pair.client, to_client.size())};
        co_await server_writes.join();
        co_await client_writes.join();
        const auto at_server = co_await server_reads.join();
        const auto at_client = co_await client_reads.join();
        CHECK(at_server == to_server);
        CHECK(at_client == to_client);
    });
}

TEST_CASE("close_notify is the end of the stream, and the other direction stays open") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        options.version = version;
        tls_pair pair{io.get_executor(), options};
        co_await test::establish(pair, test::certificate_for("a.test"));
        co_await write_all(*pair.client, "question");
        pair.client->shutdown_write();
        const auto question = co_await read_to_end(*pair.server);
        CHECK(question == "question");
        co_await write_all(*pair.server, "answer");
        pair.server->shutdown_write();
        const auto answer = co_await read_to_end(*pair.client);
        CHECK(answer == "answer");
    });
}

TEST_CASE("who ends twice says so once, and can read on") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        options.version = version;
        tls_pair pair{io.get_executor(), options};
        co_await test::establish(pair, test::certificate_for("a.test"));
        pair.client->shutdown_write();
        co_await write_all(*pair.server, "answer");
        co_await test::yield(20);
        pair.client->shutdown_write();
        pair.server->shutdown_write();
        const auto answer = co_await read_to_end(*pair.client);
        CHECK(answer == "answer");
    });
}

TEST_CASE("an end without close_notify is an error, since anyone could have cut it") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        options.version = version;
        tls_pair pair{io.get_executor(), options};
        co_await test::establish(pair, test::certificate_for("a.test"));
        co_await write_all(*pair.server, "half an ans");
        const auto half = co_await test::read_exactly(*pair.client, 11);
        CHECK(half == "half an ans");
        started<std::string> reading{io.get_executor(), read_to_end(*pair.client)};
        pair.server->close();
        co_await test::yield(20);
        REQUIRE(reading.ended());
        CHECK(code_of(reading) == errc::connection_closed);
        // And it stays that way.
        std::array<std::byte, 1> buffer;
        CHECK(pair.client->try_read(buffer).error == errc::connection_closed);
        CHECK(pair.client->try_write(buffer).error == errc::connection_closed);
    });
}

TEST_CASE("a record that was changed on its way is an error") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        auto below = memory_stream_pair(io.get_executor());
        stream& raw = *below.first;
        tls_pair pair{io.get_executor()};
        pair.server = std::make_unique<tls_stream>(std::move(below.first), pair.server_context);
        pair.client = std::make_unique<tls_stream>(
            std::move(below.second), pair.client_context, "a.test", std::vector<std::string>{});
        co_await test::establish(pair, test::certificate_for("a.test"));
        co_await write_all(raw, std::string{"\x17\x03\x03\x00\x20", 5} + std::string(32, 'x'));
        started<std::string> reading{io.get_executor(), read_to_end(*pair.client)};
        co_await test::yield(20);
        REQUIRE(reading.ended());
        CHECK(code_of(reading) == errc::tls_failed);
    });
}

TEST_CASE("reading answers a KeyUpdate, even if the answer does not fit below at once") {
    const std::size_t capacity = GENERATE(20, 64 << 10);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        tls_pair pair{io.get_executor(), options};
        auto below = memory_stream_pair(io.get_executor(), capacity);
        pair.server = std::make_unique<tls_stream>(std::move(below.first), pair.server_context);
        pair.client = std::make_unique<tls_stream>(
            std::move(below.second), pair.client_context, "a.test", std::vector<std::string>{});
        SSL_set_num_tickets(pair.server->native_handle(), 0);
        co_await test::establish(pair, test::certificate_for("a.test"));
        started<std::string> server_reads{io.get_executor(), test::read_exactly(*pair.server, 5 * 8)};
        started<std::string> client_reads{io.get_executor(), test::read_exactly(*pair.client, 5 * 6)};
        for (int i = 0; i < 5; ++i) {
            SSL_key_update(pair.client->native_handle(), SSL_KEY_UPDATE_REQUESTED);
            co_await write_all(*pair.client, "question");
            co_await write_all(*pair.server, "answer");
        }
        const auto questions = co_await server_reads.join();
        const auto answers = co_await client_reads.join();
        CHECK(questions.size() == 5 * 8);
        CHECK(answers.size() == 5 * 6);
    });
}

TEST_CASE("a flood of records without data does not keep the thread") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        options.capacity = 4 << 20;
        tls_pair pair{io.get_executor(), options};
        co_await test::establish(pair, test::certificate_for("a.test"));
        // 27 bytes each.
        for (int i = 0; i < 30'000; ++i) {
            SSL_key_update(pair.client->native_handle(), SSL_KEY_UPDATE_NOT_REQUESTED);
            SSL_do_handshake(pair.client->native_handle());
        }
        co_await write_all(*pair.client, "at last");
        std::array<std::byte, 100> buffer;
        const auto first = pair.server->try_read(buffer);
        CHECK(first.error == asio::error::would_block);
        // Nothing more arrives, and yet the wait ends.
        co_await pair.server->wait_readable();
        const auto text = co_await test::read_exactly(*pair.server, 7);
        CHECK(text == "at last");
    });
}

TEST_CASE("closing ends the waits of readers and writers") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_options options;
        options.capacity = 5000;
        tls_pair pair{io.get_executor(), options};
        co_await test::establish(pair, test::certificate_for("a.test"));
        started<std::string> reading{io.get_executor(), read_to_end(*pair.client)};
        started<void> writing{io.get_executor(), write_text(*pair.client, pattern(100'000))};
        co_await test::yield(20);
        CHECK_FALSE(reading.ended());
        CHECK_FALSE(writing.ended());
        pair.client->close();
        co_await test::yield(20);
        REQUIRE(reading.ended());
        REQUIRE(writing.ended());
        CHECK(code_of(reading) == asio::error::operation_aborted);
        CHECK_THROWS_AS(writing.take(), std::system_error);
        std::array<std::byte, 1> buffer;
        CHECK(pair.client->try_read(buffer).error == asio::error::bad_descriptor);
        CHECK(pair.client->try_write(buffer).error == asio::error::bad_descriptor);
        pair.client->shutdown_write();
    });
}

TEST_CASE("a close_notify that does not fit below is sent as soon as it does") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        // Room for one record of 100 bytes, which has 22 bytes of overhead in TLS 1.3.
        auto below = memory_stream_pair(io.get_executor(), 122);
        pair.server = std::make_unique<tls_stream>(std::move(below.first), pair.server_context);
        pair.client = std::make_unique<tls_stream>(
            std::move(below.second), pair.client_context, "a.test", std::vector<std::string>{});
        SSL_set_num_tickets(pair.server->native_handle(), 0);
        co_await test::establish(pair, test::certificate_for("a.test"));
        co_await write_all(*pair.server, pattern(100));
        pair.server->shutdown_write();
        // A server lingers: it reads until the client has closed too.
        started<std::string> lingering{io.get_executor(), read_to_end(*pair.server)};
        const auto answer = co_await read_to_end(*pair.client);
        CHECK(answer == pattern(100));
        pair.client->shutdown_write();
        co_await lingering.join();
    });
}

TEST_CASE("what the peer said before it closed can be read after a write has failed") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        co_await test::establish(pair, test::certificate_for("a.test"));
        co_await write_all(*pair.server, "413 Content Too Large");
        pair.server->shutdown_write();
        pair.server->close();
        std::array<std::byte, 100> body = {};
        const auto failed = pair.client->try_write(body);
        CHECK(failed.error == asio::error::connection_reset);
        CHECK(pair.client->try_write(body).error == asio::error::connection_reset);
        const auto answer = co_await read_to_end(*pair.client);
        CHECK(answer == "413 Content Too Large");
    });
}

TEST_CASE("writing after the end of writing is a broken pipe, and reading goes on") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        co_await test::establish(pair, test::certificate_for("a.test"));
        pair.client->shutdown_write();
        std::array<std::byte, 100> body = {};
        CHECK(pair.client->try_write(body).error == asio::error::broken_pipe);
        co_await write_all(*pair.server, "answer");
        pair.server->shutdown_write();
        const auto answer = co_await read_to_end(*pair.client);
        CHECK(answer == "answer");
    });
}

TEST_CASE("a stream before its handshake is not connected") {
    asio::io_context io;
    tls_pair pair{io.get_executor()};
    std::array<std::byte, 1> buffer;
    CHECK(pair.client->try_read(buffer).error == asio::error::not_connected);
    CHECK(pair.server->try_write(buffer).error == asio::error::not_connected);
}

TEST_CASE("a connection keeps its certificate for as long as it lives") {
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        tls_pair pair{io.get_executor()};
        auto chosen = test::certificate_for("a.test");
        std::weak_ptr<const certificate> watched = chosen;
        co_await test::establish(pair, std::move(chosen));
        CHECK(pair.server->certificate() == watched.lock());
        CHECK(pair.server->server_name() == "a.test");
        CHECK_FALSE(pair.server->resumed());
        pair.server.reset();
        CHECK(watched.expired());
    });
}
